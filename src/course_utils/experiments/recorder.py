"""The file that a kernel's claims and contrasts append their measurements to."""

from collections.abc import Callable
from typing import Any

from course_utils import jsonl, settings


def keep(record: Callable[[], dict[str, Any]]) -> None:
    """Append what ``record`` returns to ``COURSE_EVIDENCE``; not called if not set.

    A file that cannot be written costs one printed sentence: the lesson goes on.
    """
    file = settings.evidence_file()
    if file is None:
        return
    try:
        jsonl.append(file, record())
    except OSError as error:
        print(
            f"This evidence was not saved: {error.strerror or error}. The lesson goes "
            "on; set COURSE_EVIDENCE to a file you may write."
        )
