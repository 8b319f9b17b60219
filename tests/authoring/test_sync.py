"""Scripts and their notebooks: what is regenerated, what stays to the byte."""

import fnmatch
from pathlib import Path

import nbformat
import pytest

from course_utils.authoring import sync

HERE = Path(__file__).parents[1]
SCRIPT = """\
# %% [markdown]
# # Lesson 12

# %% tags=["setup"]
import os
import time

from IPython.display import HTML, display
from matplotlib import pyplot as plt

print(os.environ["COURSE_SEED"], repr(os.environ["COURSE_PROGRESS_FILE"]))

# %% tags=["raises-exception"]
open("/root/absent/file")

# %%
figure, axes = plt.subplots()
axes.plot([1, 2])
plt.close(figure)
display(figure, metadata={"image/png": {"alt": "a line"}})

# %% tags=["apparatus"]
display(HTML(f"<b>{time.time():.3f}</b>"))
"""


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a course of one lesson, never synced, as the working directory."""
    for folder in ("notebooks", "solutions", "tests"):
        (tmp_path / folder).mkdir()
    for name in ("pyproject.toml", "tests/nbval_sanitize.cfg"):
        (tmp_path / name).write_bytes((HERE.parent / name).read_bytes())
    (tmp_path / "notebooks/12_topic.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_SEED", "5")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.slow
def test_a_notebook_is_made_once_and_then_stays_to_the_byte(course, capsys):
    path = course / "notebooks/12_topic.ipynb"
    assert sync.main(["--check"]) == 1
    assert "notebooks/12_topic.ipynb: is missing" in capsys.readouterr().out
    assert not path.exists()
    assert sync.main([]) == 0
    assert "written" in capsys.readouterr().out
    first = path.read_bytes()
    assert sync.main([]) == 0
    assert capsys.readouterr().out == ""
    # Executed again, figure and all: the time is a measurement, so nothing is new.
    assert sync.main(["--all"]) == 0
    assert "no news" in capsys.readouterr().out
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()].count("12_topic.ipynb.part") == 0

    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    _, setup, failing, figure, apparatus = stored.cells
    assert setup.outputs[0].text == "0 ''\n"
    assert failing.outputs[0].traceback == [
        "FileNotFoundError: [Errno 2] No such file or directory: '/root/absent/file'"
    ]
    assert figure.outputs[0].metadata["image/png"]["alt"] == "a line"
    # Folded in JupyterLab, in Colab, and by MyST on the web.
    for cell, tag in ((setup, "setup"), (apparatus, "apparatus")):
        assert cell.metadata == {
            "tags": [tag, "hide-input"],
            "jupyter": {"source_hidden": True},
            "cellView": "form",
        }
    assert stored.metadata == {**sync.METADATA, "title": "Lesson 12"}
    assert "version" not in stored.metadata.language_info

    # From nothing, the same figure and the same ids.
    path.unlink()
    sync.main(["12"])
    again = nbformat.read(path, as_version=4)
    assert [cell.id for cell in again.cells] == [cell.id for cell in stored.cells]
    assert again.cells[3].outputs == figure.outputs


@pytest.mark.slow
def test_an_edited_cell_keeps_its_id_and_a_failing_one_keeps_the_notebook(
    course, capsys
):
    script = course / "notebooks/12_topic.py"
    path = script.with_suffix(".ipynb")
    script.write_text("# %%\na = 1\n\n# %%\nb = 2\n")
    sync.main([])
    before = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    script.write_text("# %%\na = 1\n\n# %%\nnew = 0\n\n# %%\nb = 2 + 1\nprint(b)\n")
    sync.main([])
    after = nbformat.read(path, as_version=4).cells
    assert after[0].id == before[0]
    assert len({cell.id for cell in after}) == 3
    assert after[2].outputs[0].text == "3\n"

    stored = path.read_bytes()
    edit(script, "b = 2 + 1", "b = 2 / 0")
    capsys.readouterr()
    assert sync.main([]) == 1
    assert (
        "notebooks/12_topic.ipynb: not written. Cell 3 of 3 (`b = 2 / 0`) raised "
        "ZeroDivisionError: division by zero." in capsys.readouterr().out
    )
    assert path.read_bytes() == stored


@pytest.fixture
def pair(course: Path) -> Path:
    """Return the script of a pair in step, its run made by hand."""
    script = course / "notebooks/12_topic.py"
    notebook = sync.generate(script)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
    code[0].outputs = [nbformat.v4.new_output("stream", text="loss 0.5, step 8\n")]
    code[1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="expected")]
    nbformat.write(notebook, script.with_suffix(".ipynb"))
    return script


def change(pair: Path, what) -> None:
    path = pair.with_suffix(".ipynb")
    notebook = nbformat.read(path, as_version=4)
    what(notebook)
    nbformat.write(notebook, path)


def _retag(notebook):
    notebook.cells[3].metadata.tags = ["plot"]


def _unexecute(notebook):
    notebook.cells[3].execution_count = None


def _swap(notebook):
    notebook.cells[1].execution_count, notebook.cells[2].execution_count = 2, 1


def _fail(notebook):
    notebook.cells[3].outputs = [nbformat.v4.new_output("error", ename="E", evalue="")]


def _drop(notebook):
    notebook.cells.pop()


def _retype(notebook):
    notebook.cells[0] = nbformat.v4.new_raw_cell(notebook.cells[0].source)


def _reword(notebook):
    notebook.cells[0].source = "# Lesson 13"


def _rename(notebook):
    notebook.metadata.title = "12_topic"


def test_a_pair_in_step_is_left_alone(pair):
    assert sync.out_of_step(pair) == ""


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (_retag, "cell 4 has {'tags': ['plot']}, not {}"),
        (_rename, "is called otherwise than its first heading"),
        (_reword, "cell 1 holds other text than the script"),
        (_retype, "cell 1 is raw, not markdown"),
        (_drop, "has 4 cells, the script 5"),
        (_unexecute, "was not executed from top to bottom"),
        (_swap, "was not executed from top to bottom"),
        (_fail, "code cell 3 holds an error"),
    ],
)
def test_a_pair_out_of_step_says_why(pair, what, reason, capsys):
    change(pair, what)
    assert sync.out_of_step(pair) == reason
    assert sync.main(["--check"]) == 1
    assert f"notebooks/12_topic.ipynb: {reason}" in capsys.readouterr().out


def picture(data: str, alt: str) -> dict:
    return {"data": {"image/png": data}, "metadata": {"image/png": {"alt": alt}}}


@pytest.mark.parametrize(
    ("old", "new", "news"),
    [
        ({"text": "loss 0.5, step 8"}, {"text": "loss 0.7, step 8"}, False),
        ({"text": "loss 0.5, step 8"}, {"text": "loss 0.5, step 9"}, True),
        (picture("old", "to 0.5"), picture("new", "to 0.7"), False),
        (picture("old", "to 0.5"), picture("new", "to 0.5"), True),
        (picture("old", "to 0.5"), picture("old", "to 0.5"), False),
    ],
)
def test_news_is_more_than_another_measurement(pair, old, new, news):
    runs = []
    for shown in (old, new):
        run = sync.generate(pair)
        kind = "stream" if "text" in shown else "display_data"
        run.cells[1].outputs = [nbformat.v4.new_output(kind, **shown)]
        runs.append(run)
    sanitize = sync.sanitizer(HERE / "nbval_sanitize.cfg")
    assert sync.brings_news(*runs, sanitize) is news


def test_lessons_are_named_by_number_or_file(course):
    (course / "notebooks/05_other.py").write_text("x = 1\n")
    (course / "solutions/05_other.py").write_text("x = 1\n")
    for name in ("5", "05", "05_other", "notebooks/05_other.py"):
        chosen = sync.scripts(course, [name])
        assert [p.parent.name for p in chosen] == ["notebooks", "solutions"]
    assert len(sync.scripts(course)) == 3


def test_mistakes_in_the_call_are_one_sentence(course, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"Expected a lesson \(12_topic\) but got '9'"):
        sync.scripts(course, ["9"])
    with pytest.raises(ValueError, match="Run this from the top folder"):
        sync.scripts(course / "tests")
    (course / "empty.cfg").write_text("# nothing\n")
    with pytest.raises(ValueError, match="Expected `regex:` and `replace:` lines"):
        sync.sanitizer(course / "empty.cfg")
    with pytest.raises(SystemExit):
        sync.main(["9"])
    assert "but got '9'" in capsys.readouterr().err


def test_pytest_does_not_import_the_scripts_of_lessons(pytestconfig):
    # On the oldest packages the plugin that keeps budgets is off: these must do.
    globs = [str(HERE.parent / each) for each in pytestconfig.getoption("ignore_glob")]
    for folder in ("notebooks", "solutions"):
        for script in (HERE.parent / folder).glob("*.py"):
            assert any(fnmatch.fnmatch(str(script), glob) for glob in globs), script
