"""Download a data set on request: complete and verified, or not at all."""

import errno
import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from course_utils._version import __version__
from course_utils.data.cache import (
    DataError,
    ensure_writable,
    remove_abandoned,
    with_cache_folder,
)
from course_utils.data.locate import open_dataset
from course_utils.data.sources import SOURCES, validate_name

CHUNK = 1 << 16  # bytes
PATIENCE = 30.0  # seconds without a byte

Progress = Callable[[int, int], None]
Remote = tuple[str, str, list[str]]  # a file's name, its MD5, where to try in order


def _remotes(reader: Any) -> list[Remote]:
    """Return what a torchvision class would download, as the class itself lists it.

    torchvision's own download is not used: it has no time limit for a silent server
    and leaves partial files behind after an interruption.
    """
    if hasattr(reader, "resources"):
        return [
            (file, md5, [mirror + file for mirror in reader.mirrors])
            for file, md5 in reader.resources
        ]
    return [(reader.filename, reader.tgz_md5, [reader.url])]


def _stream(url: str, target: Path, progress: Progress) -> str:
    """Write what ``url`` sends to ``target``; return the MD5 of the bytes."""
    request = Request(url, headers={"User-Agent": f"course_utils/{__version__}"})
    digest, done = hashlib.md5(usedforsecurity=False), 0
    with urlopen(request, timeout=PATIENCE) as response, target.open("wb") as file:
        total = response.length or 0
        progress(done, total)
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress(done, total)
    if done < total:
        raise ConnectionError(f"a connection cut after {done} of {total} bytes")
    return digest.hexdigest()


def _failure(error: Exception, url: str) -> str:
    """Return in a few words why nothing came from ``url``."""
    said, server = str(error) or type(error).__name__, urlsplit(url).netloc
    if isinstance(error, URLError) and not isinstance(error, HTTPError):
        said = "no connection"
        server += f": {getattr(error.reason, 'strerror', None) or error.reason}"
    return f"{said} ({server})"


def _fetch(remote: Remote, folder: Path, progress: Progress) -> Path:
    """Return the file in ``folder``, from the first server that sends it intact."""
    name, md5, urls = remote
    failures = []
    for url in urls:
        try:
            found = _stream(url, folder / name, progress)
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise  # no other server helps a full disk
            failures.append(_failure(error, url))
            continue
        if found == md5:
            return folder / name
        failures.append(f"a wrong checksum ({urlsplit(url).netloc})")
    raise DataError(
        f"Expected to download {name} but got {', then '.join(failures)}: check "
        "the connection and try again, set COURSE_DATA_DIR to a folder that holds the "
        "data, or use COURSE_DATA=embedded."
    )


def _unpack(archive: Path, folder: str) -> Iterator[tuple[str, bytes]]:
    """Yield path below the root and content of each file in ``archive``.

    Args:
        archive: A ``.gz`` of one file, or a ``.tar.gz``.
        folder: Where torchvision looks for the files, below the root.
    """
    if not archive.name.endswith(".tar.gz"):
        yield f"{folder}/{archive.stem}", gzip.decompress(archive.read_bytes())
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            # A member names its own path, perhaps with "../": only its name is used.
            if member.isfile() and content is not None:
                yield f"{folder}/{PurePosixPath(member.name).name}", content.read()


def _download(name: str, root: Path, progress: Progress) -> None:
    """Fetch and unpack into a temporary folder; move the files once all are right.

    The folder lies inside ``root``, since only a move within one file system is atomic.
    """
    reader = SOURCES[name].torchvision_class()
    goal = getattr(reader, "base_folder", f"{reader.__name__}/raw")
    root.mkdir(parents=True, exist_ok=True)
    remove_abandoned(root, ".download-*")
    with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as folder:
        archives = [_fetch(r, Path(folder), progress) for r in _remotes(reader)]
        ready = []
        for archive in archives:
            for path, content in _unpack(archive, goal):
                part = Path(folder, PurePosixPath(path).name + ".part")
                part.write_bytes(content)
                ready.append((part, root / path))
        (root / goal).mkdir(parents=True, exist_ok=True)
        for part, target in ready:
            os.replace(part, target)


def _is_intact(name: str, root: Path) -> bool:
    """Return whether torchvision reads both halves of ``name`` from ``root``."""
    try:
        return all(
            len(open_dataset(name, train=half, root=root)) for half in (True, False)
        )
    except DataError:
        return False


def download(
    name: str,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a data set unless it is there already, and return the root it lies in.

    Servers and checksums are torchvision's own. Interrupted or failed, nothing is
    left behind.

    Args:
        name: A data set other than ``"embedded"``.
        root: Folder that torchvision's class gets; by default the course's cache.
        progress: Called as ``progress(done, total)`` with the bytes of the current
            file, from 0 for each file; ``total`` is 0 if the server does not say.

    Raises:
        DataError: If no server sends the data whole, or it cannot be written.
        ValueError: If there is no such data set, or it needs no download.
    """
    name = validate_name(name)
    if name == "embedded":
        raise ValueError(
            "Expected the name of data to download but got 'embedded', which ships "
            "with the course."
        )
    root = with_cache_folder(ensure_writable) if root is None else Path(root)
    if _is_intact(name, root):
        return root
    try:
        _download(name, root, progress or (lambda done, total: None))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(
            f"Expected to unpack {SOURCES[name].title} into {root} but got {error}: "
            "make room there, or name another folder."
        ) from error
    return root
