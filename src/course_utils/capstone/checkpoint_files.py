"""Read the checkpoints that a run leaves in its folder."""

from pathlib import Path
from typing import Any

from course_utils.checks.scripted_metric import loaded


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Return the checkpoint in ``file``, ``{}`` if it holds none."""
    content = loaded(file)
    return content if isinstance(content, dict) else {}


def epochs_on_disk(folder: Path) -> list[int]:
    """Return the epoch, from 0, of each checkpoint in ``folder`` and below."""
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    found = [read_checkpoint(file) for file in files]
    return [each["epoch"] for each in found if "epoch" in each]
