"""The repair of each bad practice, read from ``repairs.diff``; each stands alone."""

import re
from pathlib import Path

Edits = tuple[tuple[str, str], ...]  # texts to replace, and their replacements


def _lines(hunk: str, sign: str) -> str:
    """Return the lines of a hunk that are common or marked with ``sign``."""
    return "".join(line[1:] for line in hunk.splitlines(True) if line[0] in f" {sign}")


def _read(file: Path) -> dict[str, Edits]:
    """Return the edits by practice: a line ``# 1.2``, then hunks split by ``@@``."""
    parts = re.split(r"^# (\S+)\n", file.read_text("utf-8"), flags=re.MULTILINE)
    return {
        practice: tuple((_lines(h, "-"), _lines(h, "+")) for h in hunks.split("@@\n"))
        for practice, hunks in zip(parts[1::2], parts[2::2], strict=True)
    }


REPAIRS = _read(Path(__file__).with_name("repairs.diff"))


def repaired(source: str, *practices: str) -> str:
    """Return ``source`` with these repairs, with all of them if none is named.

    Raises:
        ValueError: If the lines that a repair replaces are not there exactly once.
    """
    for practice in practices or REPAIRS:
        for before, after in REPAIRS[practice]:
            if source.count(before) != 1:
                raise ValueError(f"Expected once in the script but did not: {before}")
            source = source.replace(before, after)
    return source
