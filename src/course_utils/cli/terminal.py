"""What commands share: consoles, marks, one-sentence errors, checks."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from course_utils import settings
from course_utils.data.cache import DataError
from course_utils.data.locate import learner_folder
from course_utils.data.sources import validate_name

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def replace_unencodable() -> None:
    """Print a question mark for each character that the terminal cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def console(stderr: bool = False) -> "Console":
    """Return a console that prints text as it is, without markup in brackets."""
    from rich.console import Console  # 0.1 s that an error message need not wait for

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def new_table(columns: Mapping[str, str]) -> "Table":
    """Return an empty table with few rules, so that it fits into 80 columns.

    Args:
        columns: Each heading with where its text is aligned; ``"fold"`` aligns to the
            left and continues long text on the next line.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for name, look in columns.items():
        if look == "fold":
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify=look, no_wrap=True)
    return table


def sign(on: "Console", best: str, plain: str) -> str:
    """Return ``best`` if the terminal can encode it, else ``plain``."""
    try:
        best.encode(on.encoding)
    except (UnicodeEncodeError, LookupError):
        return plain
    return best


def verdict(on: "Console", holds: bool) -> "Text":
    """Return a coloured tick or cross, or a word if the terminal has no such sign."""
    from rich.text import Text

    if holds:
        return Text(sign(on, "✓", "yes"), style="green")
    return Text(sign(on, "✗", "no"), style="bold red")


def complain(sentence: str) -> None:
    """Print one sentence to stderr."""
    typer.echo(sentence, err=True)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn an error into its sentence on stderr: exit status 2, for missing data 1.

    Raises:
        typer.Exit: In place of a ``ValueError`` or `DataError` of the block.
    """
    try:
        yield
    except (ValueError, DataError) as error:
        complain(str(error))
        status = FAILED if isinstance(error, DataError) else MISUSED
        raise typer.Exit(status) from None


def check_environment() -> None:
    """Check the ``COURSE_`` variables now, before one stops a notebook midway.

    Raises:
        ValueError: If one of them has a value that it cannot have.
    """
    settings.seed()
    settings.all_images()
    settings.cpu_only()
    settings.kernel()
    if name := os.environ.get("COURSE_DATA"):
        validate_name(name, "COURSE_DATA")
    learner_folder()


def check_installed(module: str, what: str, package: str) -> None:
    """Check that ``module`` is installed, which ``package`` brings.

    Raises:
        ValueError: If it is not.
    """
    if importlib.util.find_spec(module) is None:
        raise ValueError(
            f"Expected {what} to be installed but it is not: run `python -m pip "
            f"install {package}` and try again."
        )


def check_can_execute() -> None:
    """Check that notebooks can be executed: with what the extra ``lab`` brings.

    Raises:
        ValueError: If it is not installed.
    """
    for module in ("ipykernel", "nbclient"):
        check_installed(
            module, f"{module}, which runs notebooks,", "ipykernel nbclient"
        )


def check_writable(file: Path, option: str) -> None:
    """Fail before a long run if its output cannot be written; leave no new file.

    Raises:
        ValueError: If ``file`` cannot be written.
    """
    new = not file.exists()
    try:
        file.open("ab").close()
    except OSError as error:
        raise ValueError(
            f"Expected {option} to be a file that can be written but got {file}: "
            f"{error.strerror or error}."
        ) from error
    if new:
        file.unlink()
