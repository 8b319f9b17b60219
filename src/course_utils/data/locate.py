"""Find a data set on this machine, and open torchvision's reader on it."""

import filecmp
import gzip
import hashlib
import os
import pickle
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.data.cache import (
    IDX_FILES,
    DataError,
    cache_folders,
    embedded_root,
    is_unpacked_copy,
    with_cache_folder,
    write_atomically,
)
from course_utils.data.sources import SOURCES, validate_name

if TYPE_CHECKING:
    from torchvision.datasets import VisionDataset


def learner_folder() -> Path | None:
    """Return the learner's own data folder, ``COURSE_DATA_DIR``, or None if not set.

    Raises:
        ValueError: If it is set and is not a folder.
    """
    text = os.environ.get("COURSE_DATA_DIR")
    if not text:
        return None
    folder = Path(os.path.expanduser(text)).absolute()
    if not folder.is_dir():
        raise ValueError(
            f"Expected COURSE_DATA_DIR to be an existing folder but got {text!r}; "
            "unset it, or correct the path."
        )
    return folder


def _root_on_disk(name: str) -> Path | None:
    """Return the first root that holds all files: the learner's own, then the cache."""
    own = learner_folder()
    files = SOURCES[name].files()
    # The variable may name a root or, one or two levels below it, the files' folder.
    above = [own, own.parent, own.parent.parent] if own else []
    roots = [root for root in above if root == own or own in (root / files[0]).parents]
    for root in [*roots, *cache_folders()]:
        if all((root / file).is_file() for file in files):
            return root
    return None


def _idx_content(source: Path) -> bytes:
    """Return the bytes of an idx file, unpacked if it is packed."""
    try:
        packed = source.suffix == ".gz"
        return gzip.decompress(source.read_bytes()) if packed else source.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"Expected {source} to be a whole, readable file but got {error}: replace "
            "it, or unset COURSE_DATA_DIR."
        ) from error


def _is_current(source: Path, target: Path) -> bool:
    if source.suffix == ".gz":
        return is_unpacked_copy(source, target)
    try:
        return filecmp.cmp(source, target, shallow=False)
    except OSError:
        return False


def _copied_into_cache(folder: Path, reader: str) -> Path | None:
    """Return a root in the cache with copies of the idx files directly in ``folder``.

    Debian's ``dataset-fashion-mnist`` is such a folder. It is only read: torchvision
    needs another layout. MNIST and Fashion-MNIST use the same file names, so the name
    that was asked for decides which it is.
    """
    if folder.name == "raw" and folder.parent.name != reader:
        return None  # torchvision's layout, but of another data set
    found = [(folder / name, folder / f"{name}.gz") for name in IDX_FILES]
    sources = [next((p for p in pair if p.is_file()), None) for pair in found]
    if None in sources:
        return None
    key = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]

    def copy(cache: Path) -> Path:
        root = cache / "adopted" / key
        for name, source in zip(IDX_FILES, sources, strict=True):
            target = root / reader / "raw" / name
            if not _is_current(source, target):
                write_atomically(target, _idx_content(source))
        return root

    return with_cache_folder(copy)


def chosen_name(name: str | None = None) -> str:
    """Return the data set in use: ``name``, else ``COURSE_DATA``, else the default.

    The default is what the machine's profile asks for if it is on disk already,
    otherwise ``"embedded"``: nothing is ever downloaded without being asked for.

    Raises:
        ValueError: If there is no such data set.
    """
    if name is not None:
        return validate_name(name)
    if os.environ.get("COURSE_DATA"):
        return validate_name(os.environ["COURSE_DATA"], "COURSE_DATA")
    from course_utils.hardware import profile  # imports torch

    wanted = profile().data
    there = wanted == "embedded" or _root_on_disk(wanted) is not None
    return wanted if there else "embedded"


def locate(name: str) -> Path:
    """Return a root from which torchvision's class for ``name`` reads; no download.

    Raises:
        DataError: If the data is not on this machine, or the package is damaged.
        ValueError: If ``COURSE_DATA_DIR`` is not a folder.
    """
    if name == "embedded":
        return embedded_root()
    own = learner_folder()
    root = _root_on_disk(name)
    reader = SOURCES[name].reader
    if root is None and own and reader.endswith("MNIST"):
        root = _copied_into_cache(own, reader) or _copied_into_cache(
            own / reader / "raw", reader
        )
    if root is None:
        places = f"{own} (COURSE_DATA_DIR) or the cache" if own else "the cache"
        raise DataError(
            f"Expected {SOURCES[name].title} in {places} but found none: run `course "
            f"data {name}` to fetch it, set COURSE_DATA_DIR to a folder that holds it, "
            "or use COURSE_DATA=embedded."
        )
    return root


def open_dataset(
    name: str | None = None, *, train: bool, root: Path | None = None
) -> "VisionDataset":
    """Return torchvision's dataset for one half of a data set.

    Args:
        name: As in ``COURSE_DATA``; by default the data set in use (`chosen_name`).
        train: Whether to open the training half or the test half.
        root: Folder to read from; by default where `locate` finds the data.

    Returns:
        A dataset whose ``data`` holds the images, uint8: a tensor ``(n, 28, 28)`` for
        the MNIST family, an array ``(n, 32, 32, 3)`` for CIFAR-10. Its ``targets`` hold
        the labels, its ``classes`` their names.

    Raises:
        DataError: If the data is not on this machine, or a file is missing, cut short
            or otherwise unreadable.
    """
    name = chosen_name(name)
    root = locate(name) if root is None else root
    unreadable = (RuntimeError, OSError, ValueError, TypeError, LookupError)
    try:
        return SOURCES[name].torchvision_class()(root, train=train)
    except (*unreadable, AssertionError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"Expected readable files of {SOURCES[name].title} in {root} but got "
            f"{type(error).__name__}: run `course data {name}` to fetch them again, "
            "with COURSE_DATA_DIR unset, or use COURSE_DATA=embedded."
        ) from error
