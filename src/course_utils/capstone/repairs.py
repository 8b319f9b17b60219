"""The repair of each bad practice, and hints that lead to it, from ``repairs.diff``.

There a practice begins with a line ``# 1.2``. It has three hints, from a nudge to
nearly the repair, marked ``?``, and then the lines to remove (-) and to add (+), in
hunks with a line ``@@`` between them. Each repair stands alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Repair:
    """Three hints, and edits of the script: lines and what replaces them."""

    hints: tuple[str, ...]
    edits: tuple[tuple[str, str], ...]


def _marked(text: str, *marks: str) -> str:
    """Return the lines that begin with one of ``marks``, without the mark."""
    return "".join(line[1:] for line in text.splitlines(True) if line[0] in marks)


def _repair(text: str) -> Repair:
    hints = [hint.strip() for hint in _marked(text, "?").splitlines()]
    hunks = text.split("@@")
    edits = [(_marked(each, " ", "-"), _marked(each, " ", "+")) for each in hunks]
    return Repair(tuple(hints), tuple(edits))


def read_repairs(file: Path) -> dict[str, Repair]:
    """Return the repairs in a file, by practice id."""
    _, *parts = re.split(r"^# (\S+)\n", file.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], map(_repair, parts[1::2]), strict=True))


REPAIRS = read_repairs(Path(__file__).with_name("repairs.diff"))


def repaired(
    source: str, *practices: str, repairs: Mapping[str, Repair] = REPAIRS
) -> str:
    """Return ``source`` with these repairs, with all of them if none is named.

    Args:
        source: A script.
        *practices: Practice ids.
        repairs: Those of that script; by default the capstone's.

    Raises:
        ValueError: If the lines that a repair replaces are not there exactly once.
    """
    for practice in practices or repairs:
        for before, after in repairs[practice].edits:
            if source.count(before) != 1:
                raise ValueError(f"Expected once in the script but did not: {before}")
            source = source.replace(before, after)
    return source
