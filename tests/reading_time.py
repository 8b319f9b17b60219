"""How long it takes to read and run a lesson, from its words, its code and its record.

Rates: people read about 238 words of English non-fiction a minute (Brysbaert 2019,
https://doi.org/10.1016/j.jml.2019.104047); we allow for 200. The 10 visible lines of
code a minute and the half minute a figure are assumptions, to be corrected by your own
class. A lesson that folds nothing yet shows much measuring code, which nobody reads
line by line: 30 a minute there.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

WORDS_A_MINUTE = 200
LINES_A_MINUTE = 10
LINES_A_MINUTE_UNFOLDED = 30
MINUTES_A_FIGURE = 0.5
STEP = 5  # minutes: what a schedule is made of

_SECTION = re.compile(r"^## ", re.MULTILINE)
_FURTHER = re.compile(r"^#+ Going further", re.MULTILINE)
_LINK = re.compile(r"\]\([^)]*\)")


def _read(notebook: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, set[str]]]:
    """Yield cell, source and tags, without what stands under *Going further*."""
    optional = False
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            optional = bool(_FURTHER.search(source)) or (
                optional and not _SECTION.search(source)
            )
        if not optional:
            yield cell, source, set(cell["metadata"].get("tags", []))


def _counts(notebook: dict[str, Any]) -> tuple[int, float, int]:
    """Return words of prose, minutes for visible code, and figures."""
    words = lines = figures = 0
    folds = any("apparatus" in tags for _, _, tags in _read(notebook))
    uncounted = {"apparatus", "setup", "exercise"} if folds else set()
    for cell, source, tags in _read(notebook):
        if cell["cell_type"] == "markdown":
            words += len(_LINK.sub("]", source).split())
        elif cell["cell_type"] == "code":
            if not tags & uncounted:
                lines += sum(bool(line.strip()) for line in source.splitlines())
            outputs = cell.get("outputs", [])
            figures += sum("image/png" in each.get("data", {}) for each in outputs)
    rate = LINES_A_MINUTE if folds else LINES_A_MINUTE_UNFOLDED
    return words, lines / rate, figures


def teaching_minutes(notebook: dict[str, Any], run_seconds: float) -> int:
    """Return the minutes of reading and running, rounded up to whole fives.

    Args:
        notebook: In nbformat 4, executed.
        run_seconds: What all of its cells take.
    """
    words, code, figures = _counts(notebook)
    reading = words / WORDS_A_MINUTE + code
    total = reading + figures * MINUTES_A_FIGURE + run_seconds / 60
    return STEP * math.ceil(total / STEP)
