"""A folder for the files that the processes of a run share."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from course_utils.distributed.errors import MAKE_ROOM, ProcessError


@contextmanager
def no_room_is_told() -> Iterator[None]:
    """Turn a refusal to write a temporary file into one sentence with the remedy.

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
    """Yield a new folder named ``course-name-...``, which goes with all it holds.

    Raises:
        ProcessError: If there is no place to create it.
    """
    with no_room_is_told():
        made = tempfile.TemporaryDirectory(
            prefix=f"course-{name}-", ignore_cleanup_errors=True
        )
    with made as path:
        yield Path(path)
