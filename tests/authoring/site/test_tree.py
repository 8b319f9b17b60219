"""Where each page lies in the tree that Sphinx reads, and where its links lead."""

import re
from pathlib import Path

import pytest

from course_utils import syllabus
from course_utils.authoring.notebook_files import read_notebook
from course_utils.authoring.site.tree import lay_out
from course_utils.authoring.stamp import Home

ROOT = Path(__file__).parents[3]
NEEDED = ("CONTRIBUTING.md", "LICENSE", "site/conf.py", ".github/contrast.png")
NEEDED += ("src/course_utils/records/evidence.md",)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("site") / "source"
    lay_out(ROOT, tree)
    return tree


def test_every_page_of_the_project_is_there(tree):
    written = {path.name for path in (ROOT / "site").iterdir()}
    assert {"conf.py", "index.md", "_static"} <= written
    assert written <= {path.name for path in tree.iterdir()}
    for folder in ("notebooks", "solutions"):
        here = {path.name for path in (tree / folder).iterdir()}
        assert here == {path.name for path in (ROOT / folder).glob("*.ipynb")}


def test_every_relative_link_of_a_page_leads_somewhere(tree):
    for path in tree.glob("*.md"):
        targets = LINK.findall(path.read_text("utf-8"))
        missing = [t for t in targets if not (path.parent / t).exists()]
        assert not missing, path.name


def test_the_record_has_a_target_for_each_lesson(tree):
    text = (tree / "evidence.md").read_text("utf-8")
    assert re.findall(r"^\(lesson-(\d\d)\)=$", text, re.MULTILINE)[:2] == ["00", "01"]
    assert "<a id=" not in text


def test_figures_lie_where_the_pages_look_for_them(tree):
    text = (tree / "notebooks/00_start_here.ipynb").read_text("utf-8")
    [source] = re.findall(r'src=\\"\.\./(_static/figures/\w+\.png)\\"', text)
    assert (tree / source).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("home", "line"),
    [
        (None, "See the branch `published` and [x](sizing.md)."),
        (
            Home("A", "B"),
            "See [the branch `published`](https://github.com/A/B/tree/published) and "
            "[x](sizing.md).",
        ),
    ],
)
def test_links_to_github_need_its_address_and_badges_are_left_out(
    home, line, tmp_path, monkeypatch
):
    readme = (
        "[![Tests](../../actions/ci.yml/badge.svg)](../../actions/ci.yml)\n"
        "See [the branch `published`](../../tree/published) and [x](site/sizing.md).\n"
    )
    monkeypatch.setattr(syllabus, "load", lambda: syllabus.Syllabus(()))
    for name in ("site/_static", ".github", "src/course_utils/records"):
        (tmp_path / name).mkdir(parents=True)
    for name in NEEDED:
        (tmp_path / name).touch()
    (tmp_path / "README.md").write_text(readme)
    lay_out(tmp_path, tmp_path / "tree", home)
    assert (tmp_path / "tree/README.md").read_text("utf-8") == f"{line}\n"


def test_a_page_whose_home_is_known_says_where_it_runs_and_shows_no_badge(tmp_path):
    lay_out(ROOT, tmp_path / "tree", Home("A", "B"))
    for folder in ("notebooks", "solutions"):
        stored = read_notebook(tmp_path / f"tree/{folder}/00_start_here.ipynb")
        _, _, line, *_ = stored.cells[0].source.splitlines()
        colab = f"A/B/blob/published/{folder}/00_start_here.ipynb"
        assert f"[in Colab](https://colab.research.google.com/github/{colab})" in line
        assert "![" not in line
