"""The file that a kernel's claims and contrasts append their measurements to."""

from typing import Any

from course_utils import jsonl, settings


def save(*measured: dict[str, Any]) -> None:
    """Append each as a line of JSON to the file ``COURSE_EVIDENCE``, if that is set.

    A file that cannot be written costs one printed sentence: the lesson continues.
    """
    file = settings.evidence_file()
    if file is None:
        return
    try:
        for each in measured:
            jsonl.append(file, each)
    except OSError as error:
        print(
            f"This evidence was not saved: {error.strerror or error}. The lesson "
            "continues; set COURSE_EVIDENCE to a file you may write."
        )
