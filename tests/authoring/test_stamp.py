"""The copy that opens alone names its own repository, and no other."""

import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from command_line import course_says, sentence
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils.authoring import stamp
from course_utils.authoring.requirements import PROJECT
from course_utils.authoring.stamp import WHEEL, Home, find_home

PROSE = (
    "# Title\n\nSee [00](00_tiny.ipynb), [it solved](../solutions/01_tiny.ipynb#a), "
    "[record](../src/record.md#lesson-01), [docs](https://example.org/a.html), "
    "[below](#below), [none](nowhere.ipynb)."
)
SETUP = 'HELPERS = ""  # filled in\nstart()'
FIRST = re.compile(r"first(/|%2F)one")


@pytest.fixture
def project(course, monkeypatch):
    """A course of two notebooks, the second solved, with no home of its own."""
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    for folder, name in (
        *(("notebooks", "00_tiny"), ("notebooks", "01_tiny")),
        *(("notebooks", "02_tiny"), ("solutions", "01_tiny")),
    ):
        ran = new_code_cell("1", outputs=[new_output("stream", text="The answer is b")])
        setup = new_code_cell(SETUP, metadata={"tags": ["setup"]}, execution_count=1)
        Path(folder).mkdir(exist_ok=True)
        notebook = new_notebook(cells=[new_markdown_cell(PROSE), setup, ran])
        nbformat.write(notebook, Path(folder, f"{name}.ipynb"))
    Path("src").mkdir()
    Path("src/record.md").write_text("# Record", "utf-8")
    Path("LICENSE").write_text("MIT", "utf-8")
    return course


def files(folder: str = "published") -> dict[str, str]:
    found = (path for path in Path(folder).rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in found}


def stamp_for(home: str, output: str = "published") -> dict[str, str]:
    done = course_says("stamp", "--home", home, "--output", output)
    assert done.exit_code == 0, done.output
    return files(output)


def copied(path: str = "notebooks/01_tiny.ipynb"):
    return nbformat.read(Path("published", path), as_version=4)


def test_the_wheel_has_the_name_that_the_project_builds():
    name = PROJECT["name"].replace("-", "_")
    assert f"{name}-{PROJECT['version']}-py3-none-any.whl" == WHEEL


def test_the_setup_cell_fetches_the_wheel_of_its_own_home(project):
    stamp_for("first/one@web")
    address = f"https://raw.githubusercontent.com/first/one/web/{WHEEL}"
    for path in ("notebooks/00_tiny.ipynb", "solutions/01_tiny.ipynb"):
        source = copied(path).cells[1].source
        assert source == f'HELPERS = "{address}"  # filled in\nstart()'


def test_links_to_files_become_absolute_and_all_others_stay(project):
    stamp_for("first/one@web")
    source = copied().cells[0].source
    page = "https://github.com/first/one/blob"
    for link in (
        f"[00]({page}/web/notebooks/00_tiny.ipynb)",
        f"[it solved]({page}/web/solutions/01_tiny.ipynb#a)",
        f"[record]({page}/HEAD/src/record.md#lesson-01)",
        "[docs](https://example.org/a.html)",
        "[below](#below)",
        "[none](nowhere.ipynb)",
    ):
        assert link in source


def test_buttons_open_the_notebook_itself_on_every_platform(project):
    stamp_for("first/one@web")
    title, _, row, *_ = copied().cells[0].source.split("\n")
    assert title == "# Title"
    path = "notebooks/01_tiny.ipynb"
    targets = re.findall(r"\[!\[[^]]+\]\([^)]+\)\]\(([^)]+)\)", row)
    assert targets == [
        f"https://colab.research.google.com/github/first/one/blob/web/{path}",
        f"https://kaggle.com/kernels/welcome?src=https://github.com/first/one/blob/web/{path}",
        "https://codespaces.new/first/one",
        f"https://mybinder.org/v2/gh/first/one/HEAD?urlpath=lab/tree/{path}",
        "https://lightning.ai/new?repo_url=https%3A%2F%2Fgithub.com%2Ffirst%2Fone%2Fblob"
        "%2Fweb%2Fnotebooks%2F01_tiny.ipynb",
        "https://nbgitpuller.readthedocs.io/en/latest/link.html?repo=https%3A%2F%2F"
        "github.com%2Ffirst%2Fone&urlpath=lab%2Ftree%2Fone%2Fnotebooks%2F01_tiny.ipynb",
    ]
    assert len(re.findall(r"!\[\w[^]]+\]", row)) == len(targets)  # each has a text


def test_a_hub_s_button_pulls_the_course_there(project):
    row = stamp.buttons(Home("first", "one"), "notebooks/a.ipynb", "https://hub.org/x/")
    assert "(https://hub.org/x/hub/user-redirect/git-pull?repo=https%3A%2F%2F" in row
    assert "urlpath=lab%2Ftree%2Fone%2Fnotebooks%2Fa.ipynb)" in row


def test_no_answer_stands_below_its_question(project):
    stamp_for("first/one")
    assert "The answer is" in Path("notebooks/01_tiny.ipynb").read_text("utf-8")
    for cell in copied().cells[1:]:
        assert (cell.outputs, cell.execution_count) == ([], None)


def test_a_second_fork_s_copy_names_the_second_fork_alone(project):
    stamp_for("first/one@web")
    again = stamp_for("second/two@pages")
    assert again == stamp_for("second/two@pages", "elsewhere")
    assert not [name for name, text in again.items() if FIRST.search(text)]
    assert all(
        "second/two" in text for name, text in again.items() if name != "LICENSE"
    )


def test_stamping_twice_changes_nothing_and_the_course_itself_never(project):
    before = files("notebooks"), files("solutions")
    once = stamp_for("first/one@web")
    assert stamp_for("first/one@web") == once
    assert (files("notebooks"), files("solutions")) == before


def test_what_lies_beside_the_copy_stays(project):
    old = Path("published", "lightning_course_utils-0.0.9-py3-none-any.whl")
    old.parent.mkdir()
    old.write_text("old", "utf-8")
    stamp_for("first/one")
    assert old.read_text("utf-8") == "old"


def test_the_command_says_what_it_made_and_how_the_wheel_gets_there(project):
    done = course_says("stamp", "--home", "first/one")
    assert done.stdout == "4 notebooks for first/one@published are in published.\n"
    assert "run `python -m pip wheel --no-deps --wheel-dir published" in done.stderr
    Path("published", WHEEL).write_text("", "utf-8")
    assert course_says("stamp", "--home", "first/one").stderr == ""


def test_its_readme_has_a_row_of_buttons_for_each_lesson(project):
    readme = stamp_for("first/one")["README.md"]
    rows = [line for line in readme.splitlines() if "Open in Colab" in line]
    assert [row[:4] for row in rows] == ["| 00", "| 01", "| 02"]


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/some-one/a.course.git",
        "https://github.com/some-one/a.course",
        "git@github.com:some-one/a.course.git",
        "ssh://git@github.com/some-one/a.course.git/",
        "https://token@github.com/some-one/a.course",
    ],
)
def test_git_s_origin_is_the_home_if_nothing_else_names_it(project, address):
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "remote", "add", "origin", address], check=True)
    assert str(find_home(project)) == "some-one/a.course@published"


def test_the_workflow_s_variable_comes_before_git_s_origin(project, monkeypatch):
    subprocess.run(["git", "init", "-q"], check=True)
    origin = "https://github.com/up/stream.git"
    subprocess.run(["git", "remote", "add", "origin", origin], check=True)
    monkeypatch.setenv("GITHUB_REPOSITORY", "fork/er")
    assert "fork/er@published" in course_says("stamp").stdout


def test_without_any_home_one_sentence_asks_for_it(project):
    assert "Expected --home OWNER/NAME@BRANCH, since" in sentence(
        course_says("stamp"), 2
    )


@pytest.mark.parametrize("home", ["one", "a/b/c", "a/b@", "https://github.com/a/b", ""])
def test_a_home_of_another_form_is_one_sentence(project, home):
    if not home:
        with pytest.raises(ValueError, match="Expected a home as OWNER/NAME or"):
            Home.parse(home)
        return
    said = sentence(course_says("stamp", "--home", home), 2)
    assert said.endswith(f"OWNER/NAME@BRANCH but got {home!r}.")


def test_a_notebook_without_an_address_to_fill_in_is_named(project):
    path = Path("notebooks/01_tiny.ipynb")
    path.write_text(path.read_text("utf-8").replace("HELPERS", "OTHER"), "utf-8")
    said = sentence(course_says("stamp", "--home", "first/one"), 2)
    assert said == (
        'Expected one line `HELPERS = ""` in the setup of notebooks/01_tiny.ipynb.'
    )
    assert not Path("published").exists()
