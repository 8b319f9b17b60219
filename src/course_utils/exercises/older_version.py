"""Notice that an answer is not what its newest cell says, because that cell failed."""

import ast
import inspect
import linecache
import re
from types import FunctionType
from typing import Any

from IPython import get_ipython


def _defines(cell: str, name: str) -> bool:
    try:
        tree = ast.parse(cell)
    except SyntaxError:
        statement = rf"^(?:async\s+)?(?:class|def)\s+{re.escape(name)}\b"
        return re.search(statement, cell, re.MULTILINE) is not None
    return any(getattr(node, "name", "") == name for node in tree.body)


def _origins(answer: Any) -> set[str]:
    """Return the source of the cell that an answer was defined in, if it is known.

    IPython keeps each cell's source under the file name that its code objects hold.
    """
    parts = vars(answer).values() if isinstance(answer, type) else [answer]
    functions = [f for f in map(inspect.unwrap, parts) if isinstance(f, FunctionType)]
    return {
        "".join(linecache.getlines(f.__code__.co_filename)).strip()
        for f in functions
        # A method from elsewhere, put into the class, says nothing of the class.
        if f.__qualname__.split(".")[0] == answer.__qualname__
    }


def describe(answer: Any) -> str:
    """Return a sentence if the newest cell that defines ``answer`` failed, else ``""``.

    Its name then still means what an earlier cell defined. Without IPython nothing is
    known and nothing is said.
    """
    shell, name = get_ipython(), getattr(answer, "__qualname__", "")
    if shell is None or not name or shell.user_ns.get(name) is not answer:
        return ""
    cells = [cell.strip() for cell in shell.history_manager.input_hist_parsed]
    newest = next((cell for cell in reversed(cells) if _defines(cell, name)), None)
    origins = _origins(answer).intersection(cells)
    if not origins or newest in origins:
        return ""
    return (
        f"This is about an older version of `{name}`: the newest cell that defines it "
        "ended with an error. Repair that cell, run it, then check again."
    )
