"""Write the copy of the course that opens alone, addressed to one repository.

It lies on a branch of its own, so that no file of a fork names another's address. In
its notebooks the setup cell, the buttons and the links name the repository that
publishes them; outputs are left out, so that no answer stands below its question.
"""

import os
import posixpath
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import nbformat
from nbformat import NotebookNode

from course_utils import syllabus
from course_utils._version import __version__
from course_utils.authoring.notebook_files import read_notebook
from course_utils.data.cache import write_atomically
from course_utils.formatting import markdown_table
from course_utils.packages import PACKAGE

BRANCH = "published"
FOLDERS = ("notebooks", "solutions")
WHEEL = f"{PACKAGE.replace('-', '_')}-{__version__}-py3-none-any.whl"
_HOME = re.compile(r"([\w.-]+)/([\w.-]+)(?:@([\w./-]+))?")
_REMOTE = re.compile(r"[/@]github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?\s*$")
_ADDRESS = re.compile(r'^HELPERS = "[^"]*"', re.MULTILINE)
_LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
GENERATOR = "https://nbgitpuller.readthedocs.io/en/latest/link.html"


@dataclass(frozen=True)
class Home:
    """The GitHub repository, and the branch of it, from which a copy is opened."""

    owner: str
    name: str
    branch: str = BRANCH

    @classmethod
    def parse(cls, text: str) -> "Home":
        """Read ``OWNER/NAME`` or ``OWNER/NAME@BRANCH``.

        Raises:
            ValueError: If ``text`` is neither.
        """
        found = _HOME.fullmatch(text)
        if not found:
            raise ValueError(
                f"Expected a home as OWNER/NAME or OWNER/NAME@BRANCH but got {text!r}."
            )
        return cls(found[1], found[2], found[3] or BRANCH)

    def __str__(self) -> str:
        """Return the form that `parse` reads."""
        return f"{self.owner}/{self.name}@{self.branch}"

    @property
    def repository(self) -> str:
        """The address of the repository."""
        return f"https://github.com/{self.owner}/{self.name}"

    @property
    def helpers(self) -> str:
        """The address of the wheel that a notebook installs."""
        place = f"{self.owner}/{self.name}/{self.branch}"
        return f"https://raw.githubusercontent.com/{place}/{WHEEL}"

    def page(self, path: str) -> str:
        """Return the page of a file: of the copy, or else of the default branch."""
        folder, _, file = path.partition("/")
        copied = folder in FOLDERS and file.endswith(".ipynb")
        return f"{self.repository}/blob/{self.branch if copied else 'HEAD'}/{path}"


def find_home(folder: Path) -> Home:
    """Return where ``folder`` is published: ``GITHUB_REPOSITORY``, else git's origin.

    Raises:
        ValueError: If neither names a repository on GitHub.
    """
    if named := os.environ.get("GITHUB_REPOSITORY"):
        return Home.parse(named)
    git = ["git", "-C", str(folder), "remote", "get-url", "origin"]
    try:
        said = subprocess.run(git, capture_output=True, text=True).stdout
    except OSError:  # no git
        said = ""
    if found := _REMOTE.search(said):
        return Home.parse(found[1])
    raise ValueError(
        "Expected --home OWNER/NAME@BRANCH, since neither GITHUB_REPOSITORY nor git's "
        "remote origin names a repository on GitHub."
    )


def openers(home: Home, path: str, hub: str = "") -> dict[str, tuple[str, str]]:
    """Return what opens one notebook on each platform: its badge, and the address.

    Colab, Kaggle and a Studio open the copy; the others clone the default branch.

    Args:
        home: Where the copy is published.
        path: The notebook in the copy.
        hub: Address of a JupyterHub with nbgitpuller; without one, the badge leads to
            the form in which a teacher names theirs.
    """
    place, page = f"{home.owner}/{home.name}", home.page(path)
    pull = {"repo": home.repository, "urlpath": f"lab/tree/{home.name}/{path}"}
    puller = f"{hub.rstrip('/')}/hub/user-redirect/git-pull" if hub else GENERATOR
    return {
        "Open in Colab": (
            "https://colab.research.google.com/assets/colab-badge.svg",
            f"https://colab.research.google.com/github/{place}/blob/{home.branch}/{path}",
        ),
        "Open in Kaggle": (
            "https://kaggle.com/static/images/open-in-kaggle.svg",
            f"https://kaggle.com/kernels/welcome?src={page}",
        ),
        "Open in Codespaces": (
            "https://github.com/codespaces/badge.svg",
            f"https://codespaces.new/{place}",
        ),
        "Open in Binder": (
            "https://mybinder.org/badge_logo.svg",
            f"https://mybinder.org/v2/gh/{place}/HEAD?urlpath=lab/tree/{path}",
        ),
        "Open in Lightning Studio": (
            "https://pl-bolts-doc-images.s3.us-east-2.amazonaws.com/app-2/studio-badge.svg",
            f"https://lightning.ai/new?repo_url={quote(page, safe='')}",
        ),
        "Open with nbgitpuller": (
            "https://img.shields.io/badge/open%20with-nbgitpuller-orange",
            f"{puller}?{urlencode(pull)}",
        ),
    }


def buttons(home: Home, path: str, hub: str = "") -> str:
    """Return the badges of `openers` as Markdown."""
    found = openers(home, path, hub).items()
    return " ".join(f"[![{name}]({image})]({to})" for name, (image, to) in found)


def absolute(text: str, path: str, home: Home, root: Path) -> str:
    """Return Markdown of the file ``path`` with its links to files made absolute."""

    def page(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link[0]))
        return home.page(target) if (root / target).is_file() else link[0]

    return _LINK.sub(page, text)


def stamped(
    notebook: NotebookNode, path: str, home: Home, root: Path, hub: str = ""
) -> NotebookNode:
    """Return the notebook of the file ``path`` as ``home`` publishes it.

    Raises:
        ValueError: If no setup cell asks for an address.
    """
    copy = nbformat.from_dict(notebook)
    addressed = 0
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = absolute(cell.source, path, home, root)
            continue
        cell.outputs, cell.execution_count = [], None
        if "setup" in cell.metadata.get("tags", []):
            line = f'HELPERS = "{home.helpers}"'
            cell.source, addressed = _ADDRESS.subn(line, cell.source)
    if addressed != 1:
        raise ValueError(f'Expected one line `HELPERS = ""` in the setup of {path}.')
    title, _, rest = copy.cells[0].source.partition("\n")
    copy.cells[0].source = f"{title}\n\n{buttons(home, path, hub)}\n{rest}"
    return copy


def _readme(home: Home, hub: str) -> str:
    rows = []
    for lesson in syllabus.load().ready:
        path = f"notebooks/{lesson.file}.ipynb"
        rows.append((lesson.id, f"[{lesson.title}]({path})", buttons(home, path, hub)))
    return (
        "# The lessons, each to open alone\n\n"
        f"Made from [the course]({home.repository}) by `course stamp`; edit there.\n\n"
        f"{markdown_table(('', 'Lesson', 'Open it'), rows)}\n"
    )


def _copies(root: Path, home: Home, hub: str) -> Iterator[tuple[str, str]]:
    for file in (each for f in FOLDERS for each in sorted((root / f).glob("*.ipynb"))):
        path = file.relative_to(root).as_posix()
        notebook = stamped(read_notebook(file), path, home, root, hub)
        yield path, f"{nbformat.writes(notebook)}\n"


def publish(root: Path, to: Path, home: Home, hub: str = "") -> int:
    """Write the copy of the course in ``root`` into the folder ``to``.

    What lies there besides stays, so that notebooks that learners have saved still find
    the wheels of older versions.

    Returns:
        The number of notebooks.

    Raises:
        ValueError: If a notebook is damaged or has no setup cell; nothing is written.
    """
    copies = dict(_copies(root, home, hub))
    files = {
        **copies,
        "README.md": _readme(home, hub),
        "LICENSE": (root / "LICENSE").read_text("utf-8"),
    }
    for path, text in files.items():
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(to / path, text.encode())
    return len(copies)
