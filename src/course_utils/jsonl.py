"""Append and read lines of JSON in a file that several kernels may share."""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar, cast

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")


def _lock(lines: FileIO) -> None:
    """Keep other kernels from writing until this one closes ``lines`` or dies."""
    if fcntl is not None:
        with suppress(OSError):  # some network drives do not support locks
            fcntl.flock(lines.fileno(), fcntl.LOCK_EX)


def _last_line_is_torn(lines: FileIO) -> bool:
    """Return whether the last line lacks its newline: its writer was killed."""
    if not lines.seek(0, os.SEEK_END):
        return False
    lines.seek(-1, os.SEEK_END)
    return lines.read(1) != b"\n"


def _undo_write(lines: FileIO, written: int) -> None:
    """Cut off the bytes written last, unless another kernel has written after them."""
    end = lines.tell()
    if os.fstat(lines.fileno()).st_size == end:
        lines.truncate(end - written)


def append(file: Path, entry: dict[str, Any]) -> None:
    """Append ``entry`` as one line or not at all; create the file if needed.

    Lines of two kernels do not mix: each is a single write in append mode, under a
    lock. A torn last line is terminated first, so that only that line is lost.

    Raises:
        OSError: If the line cannot be written; the file's content is unchanged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode(errors="replace")
    with cast(FileIO, file.open("ab+", buffering=0)) as lines:
        _lock(lines)
        content = (b"\n" if _last_line_is_torn(lines) else b"") + line
        written = lines.write(content)
        if written < len(content):  # a disk that is nearly full takes only a part
            _undo_write(lines, written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(
    file: Path, parse: Callable[[Any], T], *, skip_damaged: bool = False
) -> list[T]:
    """Return what ``parse`` makes of each line, in order; nothing if there is no file.

    Args:
        file: Lines of JSON.
        parse: Takes the content of a line. Its ``ValueError``, ``TypeError``,
            ``KeyError`` and ``AttributeError`` say that it is not what was expected.
        skip_damaged: Leave out lines that cannot be read, as a power cut leaves them.

    Raises:
        ValueError: If a line cannot be read, unless it is to be skipped.
    """
    if not file.exists():
        return []
    found = []
    lines = file.read_text("utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if not skip_damaged:
                raise ValueError(
                    f"Expected line {number} of {file} to be a record but got "
                    f"{line[:40]!r}; remove that line, or measure again."
                ) from error
    return found
