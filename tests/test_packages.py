"""What is missing is fetched beside what Colab has; nothing is replaced."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import bare_python
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import course_utils
from course_utils import environment, packages, shipped_records
from course_utils.authoring.requirements import PROJECT, required
from course_utils.experiments import kernel
from course_utils.packages import PackagesError

FREEZES = sorted(Path(__file__).parent.glob("colab/*.txt"))
NEW_ON_COLAB = {
    *("lightning", "pytorch-lightning", "lightning-utilities", "torchmetrics"),
}
# Colab's Python is newer than the oldest of the course.
OLDER_PYTHONS = [] if sys.version_info >= (3, 11) else ["tomli"]
FETCH = "from course_utils import packages\npackages.fetch_missing()"
TELL = (
    "from course_utils import packages\ntry:\n    {}\n"
    "except packages.PackagesError as error:\n    print(error)"
)
RECORD = {
    "lowest": {"versions": {"torch": "2.11.0", "lightning": "2.6.0"}},
    "pinned": {"versions": {"torch": "2.14.1", "lightning": "2.6.6"}},
}


def freeze(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if "#" not in line]


def names(pins: list[str]) -> set[str]:
    return {canonicalize_name(pin.split("==")[0]) for pin in pins}


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Offer the newest versions, as an index does: those of this environment."""
    folder = tmp_path_factory.mktemp("index")
    bare_python.write_index(folder, [*required("lab"), "notebook", "ipython"])
    return folder


@pytest.fixture
def colab(tmp_path, index):
    """Return a function: run code where ``pins`` are installed; output and report."""
    python = bare_python.make(tmp_path / "python")

    def run(code: str, pins: list[str], links: Path = index) -> tuple[str, dict]:
        site = bare_python.site_packages(tmp_path / "python")
        bare_python.install_metadata(site, pins)
        report = tmp_path / "report.json"
        done = bare_python.run(
            python,
            *("-c", code),
            cwd=tmp_path,
            PYTHONPATH=str(bare_python.SRC),
            PIP_FIND_LINKS=str(links),
            PIP_DRY_RUN="1",
            PIP_REPORT=str(report),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), bare_python.reported(report)

    return run


@pytest.mark.parametrize("path", FREEZES, ids=lambda path: path.stem)
def test_what_colab_lacks_is_fetched_and_nothing_that_it_has_is_replaced(path, colab):
    pins = freeze(path)
    said, added = colab(FETCH, pins)
    lacking = ", ".join(["lightning", "torchmetrics", *OLDER_PYTHONS])
    assert said == f"Fetching {lacking}. What is installed stays as it is."
    assert added.keys() == {*NEW_ON_COLAB, *OLDER_PYTHONS}
    assert not added.keys() & names(pins)


@pytest.mark.parametrize("path", FREEZES, ids=lambda path: path.stem)
def test_pip_alone_replaces_nothing_where_torch_is_one_that_was_measured(path, colab):
    pins = freeze(path)
    plain = "import sys\nfrom pip._internal.cli.main import main\n"
    asked = [f"{name}{r.specifier}" for name, r in required().items() if not r.marker]
    _, added = colab(f"{plain}sys.exit(main(['install', '-q', *{asked}]))", pins)
    replaced = added.keys() & names(pins)
    if "torch==2.10.0+cu128" in pins:  # so this test sees a replacement
        assert {"torch", "torchvision"} <= replaced
    else:
        assert added.keys() == NEW_ON_COLAB


def test_there_are_freezes_with_an_older_torch_and_with_the_oldest_measured():
    versions = {pin for path in FREEZES for pin in freeze(path)}
    assert {"torch==2.10.0+cu128", "torch==2.11.0+cu128"} <= versions
    assert "ipykernel==6.17.1" in versions


def test_a_conflict_is_one_sentence_with_pip_s_reason_and_a_remedy(colab):
    said, added = colab(
        TELL.format("packages.install(['torch>=2.11', 'lightning'])"),
        ["torch==2.10.0+cu128"],
    )
    assert added == {}
    assert said.count("\n") == 0
    assert said.startswith("Expected pip to install torch>=2.11, lightning beside")
    assert "(Cannot install torch>=2.11" in said
    assert "in a clone of the course, after `make lab`" in said


def test_without_a_network_one_sentence_says_what_to_do(colab, tmp_path):
    (tmp_path / "empty").mkdir()
    fetch = TELL.format("packages.fetch_missing()")
    said, _ = colab(fetch, freeze(FREEZES[0]), links=tmp_path / "empty")
    *_, said = said.splitlines()
    assert "it refused (Could not find a version that satisfies" in said
    assert "on Kaggle, switch it on in the settings" in said


def test_torch_itself_is_never_fetched(colab):
    said, added = colab(TELL.format("packages.fetch_missing()"), ["typer==0.16.0"])
    assert added == {}
    assert said.startswith("Expected torch in the Python of this kernel, ")
    assert "none that pip knows, and torch, torchvision, lightning, " in said
    assert "Choose a kernel that has torch" in said


def test_a_torch_that_pip_does_not_know_is_not_fetched_again(monkeypatch):
    monkeypatch.setattr(packages, "install", pytest.fail)
    monkeypatch.setattr(packages, "missing", lambda: {"lightning": "lightning>=2.6"})
    monkeypatch.setattr(metadata, "distributions", lambda name: [])
    with pytest.raises(PackagesError, match="and lightning missing"):
        packages.fetch_missing()


def test_where_nothing_is_missing_pip_is_not_called(monkeypatch, capsys):
    monkeypatch.setattr(packages, "install", pytest.fail)
    packages.fetch_missing()
    assert capsys.readouterr().out == ""


def test_a_vendor_s_torch_without_a_record_counts_as_installed(monkeypatch):
    assert packages.missing() == {}
    monkeypatch.setattr(metadata, "distributions", lambda name: [])
    assert packages.missing() == {}


def test_what_only_the_command_needs_is_no_reason_to_install(monkeypatch):
    monkeypatch.setattr(packages, "install", pytest.fail)
    monkeypatch.setattr(packages, "missing", lambda: {"typer": "typer>=0.16"})
    packages.fetch_missing()


def test_a_clone_that_is_not_installed_requires_what_its_project_does(monkeypatch):
    monkeypatch.setattr(packages, "PACKAGE", "no-such-package")
    assert packages.required() == PROJECT["dependencies"]


def test_extras_are_not_required(monkeypatch):
    lines = ["torch>=2", "tomli; python_version < '3.11'", "ruff; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    assert packages.required() == lines[:2]


def test_helpers_without_metadata_or_project_ask_for_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "PACKAGE", "no-such-package")
    monkeypatch.setattr(packages, "PROJECT", tmp_path / "pyproject.toml")
    assert packages.required() == []


def test_the_package_requires_nothing_that_colab_pins():
    pinned = {"ipykernel", "ipython", "ipyparallel", "notebook", "tornado", "nbclient"}
    assert not pinned & required().keys()
    assert {"ipykernel", "nbclient"} <= required("lab").keys()


def test_everything_that_is_installed_becomes_a_constraint_once():
    lines = packages.installed()
    found = [canonicalize_name(Requirement(line).name) for line in lines]
    assert len(found) == len(set(found))
    assert f"torch=={metadata.version('torch')}" in lines


def test_a_broken_record_of_a_package_is_left_out(monkeypatch, tmp_path):
    (tmp_path / "odd-1.dist-info").mkdir()
    (tmp_path / "odd-1.dist-info" / "METADATA").write_text("Name: odd\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert not any(line.startswith("odd") for line in packages.installed())


@pytest.mark.parametrize(
    ("torch", "said"),
    [
        ("2.11.0+cu128", ""),
        ("2.14.1+cpu", ""),
        ("2.10.0+cu128", "torch 2.10.0 (measured: 2.11.0 to 2.14.1)"),
        ("2.15.0", "torch 2.15.0 (measured: 2.11.0 to 2.14.1)"),
    ],
)
def test_a_version_that_was_not_measured_is_named(monkeypatch, torch, said):
    monkeypatch.setattr(shipped_records, "read", lambda name: RECORD)
    there = {"torch": torch, "lightning": "2.6.3"}
    monkeypatch.setattr(metadata, "version", there.get)
    sentence = packages.unmeasured()
    assert said in sentence
    assert bool(sentence) is bool(said)


def test_the_versions_of_this_environment_were_measured():
    assert packages.unmeasured() == ""


def test_without_a_record_nothing_is_said_of_versions(monkeypatch):
    monkeypatch.setattr(shipped_records, "read", lambda name: {})
    assert packages.unmeasured() == ""


def test_a_lesson_fetches_first_and_says_what_was_not_measured(monkeypatch):
    seen = []
    monkeypatch.setattr(packages, "fetch_missing", lambda: seen.append("fetched"))
    monkeypatch.setattr(packages, "unmeasured", lambda: "torch is another.")
    monkeypatch.setattr(environment, "isolate", lambda: seen.append("isolated") or [])
    monkeypatch.setattr(kernel, "start", lambda *args: seen.extend(args[2]))
    course_utils.start("12", written_for="0.1")
    assert seen == ["fetched", "isolated", "torch is another."]


def test_a_notebook_shows_the_sentence_alone():
    code = "from course_utils.packages import PackagesError\nraise PackagesError('Do.')"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "IPython",
            "--colors=NoColor",
            "-c",
            code,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(bare_python.SRC)},
    )
    assert done.stdout.strip() == "Do."
    assert isinstance(PackagesError("x"), RuntimeError)
