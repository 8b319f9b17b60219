"""How long it takes to read and run a lesson, from its words, its code and its record.

Rates: people read about 238 words of English non-fiction a minute (Brysbaert 2019,
https://doi.org/10.1016/j.jml.2019.104047); we allow for 200. The 30 lines of code a
minute and the half minute a figure are assumptions, to be corrected by your own class.
"""

import math
import re
from typing import Any

WORDS_A_MINUTE = 200
LINES_A_MINUTE = 30
MINUTES_A_FIGURE = 0.5
STEP = 5  # minutes: what a schedule is made of

_LINK = re.compile(r"\]\([^)]*\)")


def _counts(notebook: dict[str, Any]) -> tuple[int, int, int]:
    """Return words of prose, lines of code that are not blank, and figures."""
    words = lines = figures = 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            words += len(_LINK.sub("]", source).split())
        elif cell["cell_type"] == "code":
            lines += sum(bool(line.strip()) for line in source.splitlines())
            outputs = cell.get("outputs", [])
            figures += sum("image/png" in each.get("data", {}) for each in outputs)
    return words, lines, figures


def teaching_minutes(notebook: dict[str, Any], run_seconds: float) -> int:
    """Return the minutes of reading and running, rounded up to whole fives.

    Args:
        notebook: In nbformat 4, executed.
        run_seconds: What all of its cells take.
    """
    words, lines, figures = _counts(notebook)
    reading = words / WORDS_A_MINUTE + lines / LINES_A_MINUTE
    total = reading + figures * MINUTES_A_FIGURE + run_seconds / 60
    return STEP * math.ceil(total / STEP)
