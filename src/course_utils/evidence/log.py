"""The file that a kernel's claims and contrasts append their measurements to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from course_utils import settings


def _append(file: Path, record: dict[str, Any]) -> None:
    # One write in append mode: lines of two kernels do not mix.
    line = (json.dumps(record, ensure_ascii=False) + "\n").encode()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab", buffering=0) as lines:
        lines.write(line)


def keep(record: Callable[[], dict[str, Any]]) -> None:
    """Append what ``record`` returns to ``COURSE_EVIDENCE``; not called if not set.

    A file that cannot be written costs one printed sentence: the lesson goes on.
    """
    file = settings.evidence_file()
    if file is None:
        return
    try:
        _append(file, record())
    except OSError as error:
        print(
            f"This evidence was not saved: {error.strerror or error}. The lesson goes "
            "on; set COURSE_EVIDENCE to a file you may write."
        )
