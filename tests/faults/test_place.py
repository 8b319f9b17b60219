"""Strange places: no network, a read-only home, no UTF-8, a path with umlauts.

Every call that leaves this machine is refused, and the home is a file. The lesson
itself proves that the faults are there.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from fault_scenarios import executed, jupyters_folders
from faults import COURSE, HERE, command, path_of, write_notebook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="locales of POSIX"),
]

PLACE = "Übung mit Leerzeichen ß"

# No network, a home that cannot be written

NO_NETWORK = """
import errno, sys

def refuse(event, args):
    if event not in ("socket.connect", "socket.getaddrinfo"):
        return
    where = args[1] if event == "socket.connect" else args[:1]
    if not isinstance(where, tuple) or where[0] in (None, "127.0.0.1", "localhost"):
        return
    with open({log!r}, "a") as log:
        log.write(f"{{where[0]}}\\n")
    raise OSError(errno.ENETUNREACH, "Network is unreachable")

sys.addaudithook(refuse)
"""
PROBE = """
import os, socket
from pathlib import Path

def refused(action):
    try:
        action()
    except OSError:
        return True
    return False

print(refused(lambda: socket.create_connection(("192.0.2.1", 80), timeout=5)))
print(refused(lambda: Path.home().joinpath("new").touch()))
"""
LESSON = (
    PROBE,
    """
import course_utils
course_utils.start("12", written_for="0.1")
""",
    """
import os
from course_utils.experiments.claims import claim
from course_utils.experiments.contrast import contrast
from course_utils.experiments.plots import Bars
from course_utils.distributed import run_processes

result = contrast(
    "12.1",
    bad=lambda: {"loss": 0.75},
    good=lambda: {"loss": 0.25},
    prediction="a",
    figure=Bars("The loss falls", ["loss"], unit="loss"),
)
claim("12.1", "it gains", result.gain("loss"), at_most=-0.5)
""",
    """
from course_utils.data.cache import DataError
from course_utils.data.download import download
from torchvision.datasets import MNIST

print(*MNIST.mirrors)
print(run_processes(lambda: int(os.environ["RANK"])))
try:
    download("mnist")
except DataError as error:
    print(error)
""",
)


class LockedDown:
    """Runs commands without a network and with a home that cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.log, self.tmp = folder / "asked.txt", folder / "tmp"
        self.tmp.mkdir()
        (folder / "sitecustomize.py").write_text(NO_NETWORK.format(log=str(self.log)))
        (folder / "home").touch()
        ours = ("COURSE_", "XDG_", "JUPYTER", "MPL", "IPYTHON")
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(ours)},
            "HOME": str(folder / "home"),
            "TMPDIR": str(self.tmp),
            "PYTHONPATH": path_of(folder, HERE),
        }

    def run(self, *command: str) -> list[str]:
        """Return the lines that a command prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def locked_down(tmp_path_factory) -> LockedDown:
    return LockedDown(tmp_path_factory.mktemp("locked"))


@pytest.fixture(scope="module")
def lesson(locked_down, tmp_path_factory) -> dict[str, Any]:
    """What a lesson printed there, and which machines it asked for."""
    folder = tmp_path_factory.mktemp("lesson") / PLACE
    path = write_notebook(folder / "lesson.ipynb", *LESSON)
    [found] = locked_down.run(*command(executed, str(path)))
    return {**json.loads(found), "asked": locked_down.log.read_text().splitlines()}


def test_a_lesson_runs_without_a_network_and_asks_no_machine(lesson):
    assert lesson["failure"] == ""
    lines = lesson["text"].splitlines()
    assert lines[:2] == ["True", "True"], "the faults are not there"
    assert "✓ 12.1 it gains" in lines
    assert lines[-2] == "[0, 1]"
    # The probe's own question, those of the download, and no other.
    assert lesson["asked"][0] == "192.0.2.1"
    servers = [url.split("/")[2] for url in lines[-3].split()]
    assert lesson["asked"][1:] == servers


def test_a_download_without_a_network_is_one_sentence_with_another_way(
    lesson, locked_down
):
    line = lesson["text"].splitlines()[-1]
    assert line.startswith("Expected to download train-images-idx3-ubyte.gz but got ")
    assert line.endswith("or use COURSE_DATA=embedded.")
    assert not list(locked_down.tmp.rglob(".download-*"))


def test_a_read_only_home_costs_one_sentence_for_data_and_one_for_progress(
    lesson, locked_down
):
    lines = lesson["text"].splitlines()
    [cache] = [line for line in lines if line.startswith("The cache folder ")]
    assert f"data is kept in {locked_down.tmp}" in cache
    [unsaved] = [line for line in lines if "was not saved" in line]
    assert unsaved.startswith("Your progress was not saved: ")
    assert unsaved.endswith("set COURSE_PROGRESS_FILE to a file you may write.")
    assert lesson["noise"] == ""


def test_jupyterlab_starts_although_the_home_cannot_be_written(locked_down):
    sentence, folders = locked_down.run(*command(jupyters_folders))
    assert sentence.startswith("The cache folder ")
    assert all(Path(f).is_relative_to(locked_down.tmp) for f in json.loads(folders))


# A path with blanks and letters beyond ASCII, a locale without UTF-8

LOCALES = {
    "UTF-8": {"LC_ALL": "C.UTF-8"},
    "ASCII": {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
    },
}
METHOD = "fork" if sys.platform == "linux" else "fresh"
TINY = f"""
# %%
import os
from course_utils.experiments.claims import claim
from course_utils.data.cache import embedded_root
from course_utils.distributed import ProcessError, run_processes

# %%
def work():
    print("ß λ ✓")
    return "ß" + os.environ["RANK"]

def fail():
    print("ß λ ✓")
    raise ValueError("ß")

found = run_processes(work, method={METHOD!r})
try:
    run_processes(fail, method={METHOD!r})
except ProcessError as error:
    log = error.log

# %%
claim("0.1", "ß is a letter", found == ["ß0", "ß1"], equals=True)
claim("0.1", "logs keep letters", "ß λ ✓" in log, equals=True)
here = os.fsencode(embedded_root())
claim("0.1", "here is here", {PLACE + "/cache ä"!r}.encode() in here, equals=True)
"""


class Copy:
    """The whole course in a folder with a difficult name, and commands run there."""

    def __init__(self, parent: Path) -> None:
        self.folder = parent / PLACE
        for name in ("src", "notebooks", "solutions"):
            shutil.copytree(HERE.parent / name, self.folder / name)
        (self.folder / "tests").mkdir()
        shutil.copy(HERE / "nbval_sanitize.cfg", self.folder / "tests")
        (self.folder / "tmp ö").mkdir()

    def run(self, locale: str, *command: str) -> "subprocess.CompletedProcess[str]":
        own = {
            "PYTHONPATH": path_of(self.folder / "src"),
            "TMPDIR": str(self.folder / "tmp ö"),
            "COURSE_CACHE_DIR": str(self.folder / "cache ä"),
            "COURSE_PROGRESS_FILE": str(self.folder / "progress ü.jsonl"),
            "COLUMNS": "200",
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **own, **LOCALES[locale]},
            capture_output=True,
            encoding="utf-8",
            timeout=250,
        )


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.mark.parametrize("locale", LOCALES)
def test_the_copy_is_what_runs_in_the_locale_that_was_asked_for(copy, locale):
    code = (
        "import course_utils, os, sys\n"
        "print(ascii(os.fsencode(course_utils.__file__)))\n"
        "print(sys.getfilesystemencoding(), sys.stdout.encoding)"
    )
    done = copy.run(locale, sys.executable, "-c", code)
    file, encodings = done.stdout.splitlines()
    assert file == ascii(os.fsencode(copy.folder / "src/course_utils/__init__.py"))
    assert encodings.lower().split() == ["utf-8" if locale == "UTF-8" else "ascii"] * 2


def test_a_lesson_runs_there_and_its_claims_hold(copy):
    lesson = copy.folder / "notebooks" / "00_start_here.ipynb"
    write_notebook(lesson, *(cell for cell in TINY.split("# %%") if cell.strip()))
    done = copy.run("UTF-8", *COURSE, "run", "0")
    assert done.returncode == 0, done.stderr
    last = done.stderr.strip().splitlines()[-1]  # an older rich ends with an empty one
    assert last.endswith(", seed 0: 3 of 3 claims hold.")
    assert "ß is a letter" in done.stdout


@pytest.mark.parametrize("locale", LOCALES)
def test_status_reads_there_what_was_recorded_there(copy, locale):
    practice = "12.1" if locale == "UTF-8" else "12.2"
    event = f"'prediction', {practice!r}, True"
    code = f"from course_utils import progress; progress.record({event})"
    assert copy.run(locale, sys.executable, "-c", code).stdout == ""
    written = (copy.folder / "progress ü.jsonl").read_text("utf-8")
    assert f'"practice": "{practice}"' in written
    done = copy.run(locale, *COURSE, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert f" of {len(written.splitlines())} outcomes right (100 %)" in done.stdout


def test_a_pair_is_made_there_and_a_cell_that_fails_is_told(copy):
    scripts = {"90_good": TINY, "91_bad": "# %%\nraise ValueError('ß ✓')"}
    for name, script in scripts.items():
        path = copy.folder / "notebooks" / f"{name}.py"
        path.write_text(script, encoding="utf-8")
    done = copy.run(
        "ASCII", sys.executable, "-m", "course_utils.authoring.sync", "90", "91"
    )
    assert (done.returncode, done.stderr) == (1, "")
    good, bad = done.stdout.splitlines()
    assert good.startswith("notebooks/90_good.ipynb: executed in ")
    assert bad.startswith("notebooks/91_bad.ipynb: not written. Cell 1 of 1 ")
    assert bad.endswith(" raised ValueError: ? ?.")
    stored = nbformat.read(path.with_name("90_good.ipynb"), as_version=4)
    said = "".join(output.text for output in stored.cells[-1].outputs)
    assert said.splitlines() == [
        "✓ 0.1 ß is a letter",
        "✓ 0.1 logs keep letters",
        "✓ 0.1 here is here",
    ]
