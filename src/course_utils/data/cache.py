"""The cache folder, and the course's own digits, unpacked into it once.

A file appears in the cache whole or not at all. So no lock is needed: of two kernels
that start together both may unpack, and whichever moves its file last replaces equal
bytes. What an interruption left behind is repaired at the next start.
"""

import getpass
import gzip
import hashlib
import os
import shutil
import struct
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import platformdirs

PACKAGED = Path(__file__).parent / "mnist_10k"
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

ABANDONED_AFTER = 600.0  # seconds without a write: the writing process was killed

T = TypeVar("T")


class DataError(RuntimeError):
    """Data is missing or damaged; the message is one sentence with the remedy."""


def _temporary_folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:  # no writable temp dir; report it only when writing
        return os.environ.get("TMPDIR") or os.path.join(os.sep, "tmp")


def cache_folders() -> tuple[Path, Path]:
    """Return this user's cache folder and the fallback if it cannot be written.

    The cache is ``COURSE_CACHE_DIR`` if that is set, otherwise the system's usual
    place. The fallback is in the temporary folder, under one name per user, so that
    kernels share it. Neither needs to exist.
    """
    chosen = os.environ.get("COURSE_CACHE_DIR")
    usual = platformdirs.user_cache_dir("lightning-course", appauthor=False)
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    fallback = Path(_temporary_folder(), f"lightning-course-{user}")
    return Path(os.path.expanduser(chosen or usual)).absolute(), fallback


@cache
def _report_fallback(folder: Path, fallback: Path) -> None:
    print(
        f"The cache folder {folder} cannot be written, so data is kept in {fallback}; "
        "set COURSE_CACHE_DIR to a folder of your own to change that."
    )


def _create_private(folder: Path) -> None:
    """Create ``folder``, and refuse one that another user put there first.

    Everyone may write to the temporary folder, so the name could be taken to feed this
    user other data. ``lstat`` looks at a link itself, not at what it points to.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user")


def with_cache_folder(write: Callable[[Path], T]) -> T:
    """Return ``write(folder)`` for the cache or, where that fails, for the fallback.

    Args:
        write: Called with a folder that may not exist yet. An ``OSError`` from it
            means that the folder cannot be used: the fallback is tried, and one line
            says so, once per process.

    Raises:
        DataError: If neither folder can be used.
    """
    folder, fallback = cache_folders()
    with suppress(OSError):
        return write(folder)
    try:
        _create_private(fallback)
        result = write(fallback)
    except OSError as error:
        raise DataError(
            f"Expected to write to {folder} or {fallback} but got {error}: set "
            "COURSE_CACHE_DIR to a folder that can be written."
        ) from error
    _report_fallback(folder, fallback)
    return result


def ensure_writable(folder: Path) -> Path:
    """Return ``folder``, created if needed, after writing a file there on trial.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove old files and folders matching ``pattern``: killed processes left them."""
    for left in folder.glob(pattern):
        with suppress(OSError):  # its owner, or another cleanup, may be removing it
            newest = max(path.stat().st_mtime for path in [left, *left.glob("*")])
            # A time far ahead was written before the clock was set back: old as well.
            if abs(time.time() - newest) < ABANDONED_AFTER:
                continue
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def write_atomically(target: Path, content: bytes) -> None:
    """Put ``content`` at ``target`` in one step; an interruption leaves the old state.

    The file is written beside its target, since only a rename within one file system
    is atomic, and under a name that no other process uses.

    Raises:
        OSError: If the folder cannot be created or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target.parent, "*.part")
    part = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(content)
        os.replace(part, target)
    except PermissionError:
        # Windows does not replace a file that another kernel is reading right now.
        if not target.is_file() or target.read_bytes() != content:
            raise
    finally:
        part.unlink(missing_ok=True)


def _state(path: Path) -> tuple[int, ...]:
    """Return what differs once a file is written or replaced."""
    now = path.stat()
    return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def is_unpacked_copy(packed: Path, plain: Path) -> bool:
    """Return whether ``plain`` is what the gzip file ``packed`` unpacks to.

    Nothing is unpacked: a gzip file ends with the CRC-32 and the size in bytes of its
    content (RFC 1952, section 2.3.1), so the cache needs no list of checksums. A
    process reads every byte once, and again if one of the files has changed.
    """
    try:
        return _has_promised_crc(packed, plain, _state(packed), _state(plain))
    except OSError:
        return False


@cache
def _has_promised_crc(packed: Path, plain: Path, *_: tuple[int, ...]) -> bool:
    with packed.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        promised = file.read()
    content = plain.read_bytes()
    return promised == struct.pack("<II", zlib.crc32(content), len(content) % 2**32)


def _packaged_content(name: str) -> bytes:
    """Return the bytes of one idx file, its packed form checked against SHA256SUMS."""
    try:
        sums = (PACKAGED / "SHA256SUMS").read_text(encoding="ascii").split()
        packed = (PACKAGED / f"{name}.gz").read_bytes()
    except (OSError, UnicodeDecodeError):
        sums, packed = [], b""
    promised = dict(zip(sums[1::2], sums[::2], strict=False)).get(f"{name}.gz")
    if hashlib.sha256(packed).hexdigest() != promised:
        raise DataError(
            f"Expected {name}.gz inside the package to match SHA256SUMS but got a "
            "damaged or missing file: reinstall the course's helpers from a fresh copy "
            "of the course (`pip install --force-reinstall --no-deps .`)."
        )
    return gzip.decompress(packed)


def embedded_root() -> Path:
    """Return a root from which torchvision's ``MNIST`` reads the course's digits.

    Unpacks what is missing or damaged.

    Raises:
        DataError: If the package is damaged or no folder can be written.
    """

    def unpack(folder: Path) -> Path:
        root = folder / "embedded"
        for name in IDX_FILES:
            target = root / "MNIST" / "raw" / name
            if not is_unpacked_copy(PACKAGED / f"{name}.gz", target):
                write_atomically(target, _packaged_content(name))
        return root

    return with_cache_folder(unpack)
