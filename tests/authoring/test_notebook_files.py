"""A damaged notebook is one sentence everywhere, and nothing of it is lost."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from command_line import SMALL
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.authoring import sync
from course_utils.authoring.execute import execute_notebook
from course_utils.authoring.notebook_files import damage, read_notebook
from course_utils.cli.runs import stored_notebook

ROOT = Path(__file__).parents[2]
WHOLE = nbformat.writes(new_notebook(cells=[new_code_cell("1", id="a")]))
LINES = WHOLE.splitlines(keepends=True)
CONFLICT = "".join([*LINES[:3], "<<<<<<< HEAD\n", *LINES[3:5], ">>>>>>> b\n"])
KEEP = "keep a copy of it and restore the file with git"
DAMAGED = {
    "conflict": (
        CONFLICT,
        f"holds a merge conflict at line 4: resolve it, or {KEEP}",
    ),
    "empty": ("\n", "is empty: restore the file with git"),
    "cut short": (WHOLE[:60], f"breaks off in line 5: {KEEP}"),
    "not JSON": ("version https://git-lfs\n", f"is damaged at line 1: {KEEP}"),
    "a list": ("[1]", f"is not a notebook of format 4: {KEEP}"),
    "not text": (b"\xff\xfe\x00", f"is not text in UTF-8: {KEEP}"),
}
every_damage = pytest.mark.parametrize(
    ("content", "sentence"), DAMAGED.values(), ids=DAMAGED
)


def put(content: str | bytes, name: str = "12_topic") -> Path:
    path = Path("notebooks", f"{name}.ipynb")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path.absolute()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@every_damage
def test_what_is_wrong_is_named_with_a_remedy_that_loses_nothing(
    folder, content, sentence
):
    path = put(content)
    assert damage(path) == sentence
    with pytest.raises(ValueError, match="^notebooks/12_topic.ipynb ") as error:
        read_notebook(path)
    assert str(error.value) == f"notebooks/12_topic.ipynb {sentence}."


def test_a_whole_notebook_is_read_also_one_that_teaches_git(folder):
    cell = new_code_cell("<<<<<<< HEAD\n=======\n>>>>>>> b", id="a")
    path = put(nbformat.writes(new_notebook(cells=[cell])))
    assert damage(path) == ""
    assert read_notebook(path).cells[0].source == cell.source


@every_damage
@pytest.mark.parametrize("options", [["--check"], [], ["--all"]])
def test_sync_says_it_and_leaves_the_file_alone(
    folder, capsys, content, sentence, options
):
    path = put(content)
    path.with_suffix(".py").write_text("# %%\n1\n")
    (folder / "tests").mkdir()
    (folder / "tests/nbval_sanitize.cfg").write_text("regex: x\nreplace: x\n")
    before = path.read_bytes()
    assert sync.main(options) == 1
    said = capsys.readouterr().out.splitlines()
    verdict = sentence if options == ["--check"] else f"not written. It {sentence}."
    assert said[0] == f"notebooks/12_topic.ipynb: {verdict}"
    assert path.read_bytes() == before


def test_sync_names_a_script_with_a_merge_conflict(folder):
    path = put(WHOLE)
    script = path.with_suffix(".py")
    script.write_text("# %%\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> b\n")
    assert sync.out_of_step(script) == (
        "cannot be made: 12_topic.py holds a merge conflict at line 2: resolve it, or "
        f"{KEEP}"
    )


@every_damage
def test_course_run_says_it_and_never_advises_to_delete(folder, content, sentence):
    put(content, SMALL.lessons[1].file)
    with pytest.raises(ValueError, match="^notebooks/01_tiny.ipynb ") as error:
        stored_notebook(SMALL.lessons[1], folder)
    assert str(error.value) == f"notebooks/01_tiny.ipynb {sentence}."
    assert "delete" not in sentence


@pytest.mark.slow
def test_pytest_says_it_without_a_traceback(folder):
    put(CONFLICT)
    (folder / "conftest.py").write_bytes((ROOT / "conftest.py").read_bytes())
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert f"notebooks/12_topic.ipynb {DAMAGED['conflict'][1]}." in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "NotJSONError" not in done.stdout
    assert "1 error" in done.stdout


@pytest.mark.slow
def test_executed_kernels_use_no_profile_and_no_startup_file_of_the_user(
    folder, monkeypatch
):
    profile = folder / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "00.py").write_text("print('started')\nmine = 1")
    (profile / "ipython_config.py").write_text(
        "c = get_config()\nc.InteractiveShell.ast_node_interactivity = 'all'\n"
    )
    (folder / "mine.py").write_text("also = 1")
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "mine.py"))
    monkeypatch.setenv("SLURM_NTASKS", "2")
    cell = new_code_cell(
        "import os\n1\n{'mine', 'also'} & set(dir()), 'SLURM_NTASKS' in os.environ"
    )
    run = execute_notebook(new_notebook(cells=[cell]), folder)
    assert run.ok, run.failure
    [output] = run.notebook.cells[0].outputs
    assert output.data["text/plain"] == "(set(), False)"
