"""Which cell of a notebook is running, and in one sentence why it failed."""

import re
from collections.abc import Callable
from typing import Any

from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

OnCell = Callable[[int, int], None]
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def _runs(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())


class CellProgress:
    """Which code cell is running, counted from 1; reports each to ``on_cell``.

    Attributes:
        total: Code cells that will run.
        number: The one that is running, or ran last; 0 before the first.
        source: Its code.
    """

    def __init__(self, notebook: NotebookNode, on_cell: OnCell | None = None) -> None:
        """Begin before the first cell of ``notebook``.

        Args:
            notebook: In nbformat 4.
            on_cell: Called with (code cells done, code cells in total) before and after
                each code cell.
        """
        self.total = sum(_runs(cell) for cell in notebook.cells)
        self.number = 0
        self.source = ""
        self._report = on_cell or (lambda done, total: None)

    def started(self, cell: NotebookNode, **_: Any) -> None:
        """Note that ``cell`` begins; nbclient's ``on_cell_execute``."""
        self.number += 1
        self.source = cell.source
        self._report(self.number - 1, self.total)

    def finished(self, **_: Any) -> None:
        """Note that the cell has ended; nbclient's ``on_cell_executed``."""
        self._report(self.number, self.total)

    def where(self) -> str:
        """Return which cell it is, with its first line."""
        lines = [line for line in self.source.splitlines() if line.strip()]
        return f"Cell {self.number} of {self.total} (`{lines[0] if lines else ''}`)"


def first_line(text: str) -> str:
    """Return the first line that is not blank, without colours and full stop."""
    lines = [line.strip() for line in _COLOUR.sub("", text).splitlines()]
    return next((line for line in lines if line), "").rstrip(".")


def describe_failure(error: Exception, at: CellProgress, limit: str) -> str:
    """Return one sentence for an error with which nbclient ended a notebook.

    Args:
        error: What nbclient raised.
        at: Where the notebook was.
        limit: Time that the cell had, for example ``"600 seconds"``.

    Raises:
        Exception: ``error`` itself, if it is none of those that a cell can cause.
    """
    if isinstance(error, CellExecutionError):
        reason = f"{error.ename}: {first_line(error.evalue)}".rstrip(": ")
        return f"{at.where()} raised {reason}."
    if isinstance(error, CellTimeoutError):
        return f"{at.where()} did not finish within {limit}."
    if isinstance(error, DeadKernelError):
        return f"{at.where()} ended the kernel; it may have run out of memory."
    raise error
