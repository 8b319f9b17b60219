"""``course doctor``: is this machine ready for the course?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from course_utils.authoring.notebook_files import damage
from course_utils.cli import copy_place
from course_utils.cli.folder import course_folder
from course_utils.cli.terminal import FAILED, console, sign

if TYPE_CHECKING:
    from course_utils.experiments.machine import Observation

NOTEBOOKS = "*/[0-9][0-9]_*.ipynb"
SIGNS = {"✓": "ok  ", "→": "look", "✗": "stop"}


def _damaged_notebooks() -> Iterator[str]:
    try:
        folder = course_folder()
    except ValueError:  # the package alone is here; a notebook was opened by itself
        return
    for path in sorted(folder.glob(NOTEBOOKS)):
        if found := damage(path):
            yield f"{path.parent.name}/{path.name} {found}"
    copy = copy_place.find(folder)
    for path in sorted(copy.glob(NOTEBOOKS)) if copy else ():
        if found := damage(path).partition(":")[0]:  # git has no other copy of it
            yield f"{path} {found}: move it away, and `course lab` makes a fresh copy"


def _observations() -> Iterator["Observation"]:
    from course_utils.experiments.doctor import observe
    from course_utils.experiments.machine import Observation

    yield from observe()
    damaged = list(_damaged_notebooks())
    for sentence in damaged:
        yield Observation("notebooks", "one cannot be read", sentence)
    if not damaged:
        yield Observation("notebooks", "all that are here can be read")


def doctor() -> None:
    """Look at this machine: packages, memory, disk, GPU, data and settings.

    Exit status 1: lessons cannot run as it is.
    """
    on, blocked = console(), False
    signs = {best: sign(on, best, plain) for best, plain in SIGNS.items()}
    for each in _observations():
        mark = "✓" if each.ok else "✗" if each.blocks else "→"
        on.print(f"{signs[mark]} {each}", soft_wrap=True)
        blocked |= each.blocks
    if blocked:
        raise typer.Exit(FAILED)
