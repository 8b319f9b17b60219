"""The first cell of every notebook finds the helpers, fetches them, or says how."""

import re
from pathlib import Path

import bare_python
import notebook_checks
import pytest
from loopback import served

from course_utils.authoring.notebook_files import read_notebook
from course_utils.authoring.stamp import WHEEL, Home, stamped

ROOT = Path(__file__).parents[1]
LESSON = "notebooks/12_common_pitfalls.ipynb"
NOTEBOOK = read_notebook(ROOT / LESSON)
CELL = notebook_checks.setup_source(NOTEBOOK)
STUB = "def start(lesson, *, written_for):\n    print(lesson, written_for, __file__)\n"


@pytest.fixture
def alone(tmp_path):
    """Return a function that runs the cell in a kernel without the course."""
    python = bare_python.make(tmp_path / "python")
    folder = tmp_path / "clone" / "notebooks"
    folder.mkdir(parents=True)

    def run(cell: str = CELL, **variables: str):
        return bare_python.run(python, "-c", cell, cwd=folder, **variables)

    return run


def published(address: str) -> str:
    """Return the cell of the published notebook, its helpers at ``address``."""
    home = Home("someone", "fork")
    cell = notebook_checks.setup_source(stamped(NOTEBOOK, LESSON, home, ROOT))
    assert cell.count(home.helpers) == 1
    return cell.replace(home.helpers, address)


def put_stub(folder: Path) -> Path:
    (folder / "course_utils").mkdir(parents=True)
    file = folder / "course_utils" / "__init__.py"
    file.write_text(STUB, "utf-8")
    return file


def test_without_helpers_and_an_address_one_sentence_names_three_ways(alone):
    done = alone()
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith(
        "ModuleNotFoundError: Found no helpers of the course here (this copy names no"
    )
    assert sentence.count(";") == 2
    for way in ("published copy", "inside a clone", "%pip install --no-deps"):
        assert way in sentence


def test_the_clone_around_a_notebook_has_the_helpers(alone, tmp_path):
    file = put_stub(tmp_path / "clone" / "src")
    done = alone()
    assert done.stdout.strip() == f"NN 0.1 {file.resolve()}", done.stderr


def test_the_published_cell_installs_its_own_wheel_and_nothing_else(alone, tmp_path):
    files = {"course_utils/__init__.py": STUB}
    requires = ["torch>=99", "ipykernel>=99"]
    wheel = bare_python.write_wheel(
        tmp_path, "lightning-course-utils", "0.1.0", requires, files
    )
    assert wheel.name == WHEEL
    with served(tmp_path) as (address, asked):
        done = alone(published(f"{address}/{WHEEL}"))
        assert "site-packages" in done.stdout, done.stderr
        assert done.stderr == ""
        assert asked == [f"/{WHEEL}"]
        again = alone(published(f"{address}/{WHEEL}"))
    assert again.stdout == done.stdout
    assert asked == [f"/{WHEEL}"]  # what is installed is not fetched again


def test_the_published_cell_names_the_address_that_does_not_answer(alone, tmp_path):
    with served(tmp_path) as (address, asked):
        done = alone(published(f"{address}/{WHEEL}"))
    assert asked
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert f"(ERROR: HTTP error 404 while getting {address}/{WHEEL}): open" in sentence
    assert done.stderr.count("ERROR") == 1


def test_without_a_network_its_reason_stands_in_the_sentence_without_pip_s(alone):
    done = alone(published(f"http://127.0.0.1:9/{WHEEL}"), PIP_RETRIES="1")
    sentence = done.stderr.splitlines()[-1]
    assert re.search(r"here \([^()]*\[Errno \d+\] [\w ]+\): open the", sentence)


def test_installed_helpers_come_before_a_clone_and_an_address(alone, tmp_path):
    put_stub(tmp_path / "clone" / "src")
    file = put_stub(tmp_path / "installed")
    there = str(tmp_path / "installed")
    done = alone(published("http://127.0.0.1:9/none.whl"), PYTHONPATH=there)
    assert done.stdout.strip() == f"NN 0.1 {file}", done.stderr


def test_no_package_is_named_that_an_index_would_have_to_hold():
    assert "lightning-course-utils" not in CELL
    assert 'HELPERS = ""' in CELL
