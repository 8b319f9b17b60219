"""A temporary folder for the files that the processes of a run share."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course_utils.distributed.errors import MAKE_ROOM, ProcessError


@contextmanager
def report_disk_full() -> Iterator[None]:
    """Turn a failure to write a temporary file into one sentence with the remedy.

    Raises:
        ProcessError: In place of an ``OSError`` of the block.
    """
    try:
        yield
    except OSError as error:
        raise ProcessError(
            "Expected to write to the folder for temporary files but got "
            f"{error.strerror or error}: {MAKE_ROOM}."
        ) from error


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """Yield a new folder named ``course-name-...`` and delete it after the block.

    Raises:
        ProcessError: If it cannot be created.
    """
    with report_disk_full():
        # A process that was just killed may still hold a file open; Windows then
        # refuses to delete it, and a leftover file is no reason to fail the run.
        made = tempfile.TemporaryDirectory(
            prefix=f"course-{name}-", ignore_cleanup_errors=True
        )
    with made as path:
        yield Path(path)
