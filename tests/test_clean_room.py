"""Lessons from their published file alone, on Colab's Python and packages.

`make clean-room` runs it: it downloads 3 GB, and takes ten minutes.
"""

import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from loopback import served
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_utils.authoring import execute
from course_utils.authoring.stamp import WHEEL, Home, publish

ROOT = Path(__file__).parents[1]
FREEZE = Path(__file__).parent / "colab" / "gpu-2026-08-19.txt"
# What Colab has that a lesson loads; each in Colab's version, from a public index.
THERE = (
    *("torch", "torchvision", "numpy", "matplotlib", "ipykernel", "ipython"),
    *("aiohttp", "fsspec", "pyyaml", "tqdm", "packaging", "typing-extensions"),
    *("cloudpickle", "platformdirs", "psutil", "rich", "typer"),
)
HOME = Home("someone", "fork")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def pip(python: Path, *args: str) -> str:
    command = [python, "-m", "pip", "--disable-pip-version-check", *args]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def versions(python: Path) -> dict[str, str]:
    lines = map(Requirement, pip(python, "list", "--format=freeze").splitlines())
    return {canonicalize_name(line.name): str(line.specifier) for line in lines}


def colab_pins() -> dict[str, str]:
    """Return Colab's versions by package, those of CUDA left out."""
    lines = [x for x in FREEZE.read_text("utf-8").splitlines() if "#" not in x]
    pins = dict(line.split("+")[0].split("==") for line in lines)
    return {
        canonicalize_name(name): f"=={version}"
        for name, version in pins.items()
        if not name.startswith(("cuda", "nvidia"))
    }


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Make the Python, or skip with the reason."""
    given = os.environ.get("COLAB_PYTHON", "")
    if not given:
        pytest.skip("3 GB are downloaded by `make clean-room` alone")
    asked = "import sys, venv\nsys.exit(sys.version_info[:2] != (3, 13))"
    try:
        done = subprocess.run([given, "-c", asked], capture_output=True)
    except OSError as error:
        pytest.skip(f"{given} cannot be run: {error.strerror}")
    if done.returncode:
        pytest.skip(f"{given} is not Python 3.13, as Colab's is")
    folder = tmp_path_factory.mktemp("room")
    subprocess.run([given, "-m", "venv", folder / "python"], check=True)
    python, fixed = folder / "python" / "bin" / "python", folder / "fixed.txt"
    fixed.write_text("\n".join(f"{n}{v}" for n, v in colab_pins().items()), "utf-8")
    wanted = [f"{name}{colab_pins()[name]}" for name in THERE]
    try:
        pip(python, "download", "--no-deps", "--dest", str(folder), wanted[-1])
    except AssertionError as error:
        pytest.skip(f"the package index does not answer: {error}")
    pip(python, "install", "--constraint", str(fixed), *wanted)
    return python


@pytest.fixture(scope="module")
def copy(room, tmp_path_factory):
    """Publish the course with its wheel; yield the folder and its address."""
    folder = tmp_path_factory.mktemp("published")
    publish(ROOT, folder, HOME)
    pip(room, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    with served(folder) as (address, _):
        yield folder, f"{address}/{WHEEL}"


@pytest.fixture(scope="module")
def before(room):
    return versions(room)


@pytest.mark.parametrize("lesson", ["00", "04", "12", "14"])
def test_a_lesson_runs_from_its_file_alone(
    lesson, room, before, copy, tmp_path, monkeypatch
):
    folder, wheel = copy
    [file] = folder.glob(f"notebooks/{lesson}_*.ipynb")
    notebook = nbformat.reads(file.read_text().replace(HOME.helpers, wheel), 4)
    kernel = [str(room), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": kernel, "display_name": "Colab", "language": "python"}
    monkeypatch.setattr(execute, "get_kernel_dict", lambda: spec)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run = execute.execute_notebook(notebook, tmp_path)
    assert run.failure == ""
    text = nbformat.writes(run.notebook)
    assert f"Lesson {lesson}, " in text
    assert "✗" not in text
    after = versions(room)
    assert before.items() <= after.items()  # nothing is replaced
    assert after.keys() - before.keys() == {
        *("lightning", "pytorch-lightning", "lightning-utilities", "torchmetrics"),
        "lightning-course-utils",
    }


def test_the_room_has_colab_s_versions(before):
    pins = colab_pins()
    assert {name: before[name] for name in THERE} == {n: pins[n] for n in THERE}
    assert before["ipykernel"] == "==6.17.1"
