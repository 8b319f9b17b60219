"""``records/gpu.json``: a card, the versions, and what every notebook did there."""

import json
from pathlib import Path
from typing import Any

from course_utils.data.cache import write_atomically

Row = dict[str, Any]
NOTE = (
    "Megabytes are 2^20 bytes: the peak of the notebook's kernel on the GPU, from its "
    "start, or from the last torch.cuda.reset_peak_memory_stats() where a notebook "
    "calls it. Processes that the notebook starts are not counted."
)


def ran_well(row: Row) -> bool:
    """Return whether a notebook ran to its end and all of its claims hold."""
    return not row["failure"] and all(claim["holds"] for claim in row["claims"])


def read(file: Path) -> tuple[dict[str, Any], dict[str, Row]]:
    """Return the setup and the rows by notebook, ``notebooks/12_topic``; empty ones.

    Raises:
        ValueError: If the file is not a record.
    """
    if not file.is_file():
        return {}, {}
    try:
        content = json.loads(file.read_text("utf-8"))
        setup, rows = dict(content["setup"]), dict(content["notebooks"])
        for row in rows.values():
            ran_well(row)
            row["code"]
        return setup, rows
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"Expected {file} to be a record of `make gpu` but it cannot be read: "
            "remove it, or restore it with git."
        ) from error


def write(file: Path, setup: dict[str, Any], rows: dict[str, Row]) -> None:
    """Write the record whole, or leave the old one.

    Raises:
        OSError: If it cannot be written.
    """
    ordered = {name: rows[name] for name in sorted(rows)}
    content = {"setup": setup, "note": NOTE, "notebooks": ordered}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(file, f"{text}\n".encode())
