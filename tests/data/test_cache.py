import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from course_utils.data import cache
from course_utils.data.cache import (
    DataError,
    embedded_root,
    with_cache_folder,
    write_atomically,
)

READ_ALL = """
import hashlib
from course_utils.data.cache import IDX_FILES, embedded_root
raw = embedded_root() / "MNIST" / "raw"
print(hashlib.sha256(b"".join((raw / n).read_bytes() for n in IDX_FILES)).hexdigest())
"""


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the packaged digits that a test may damage."""
    copy = tmp_path / "package"
    shutil.copytree(cache.PACKAGED, copy)
    monkeypatch.setattr(cache, "PACKAGED", copy)
    return copy


def raw_files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "MNIST" / "raw").iterdir()}


def packaged_files() -> dict[str, bytes]:
    packed = cache.PACKAGED.glob("*.gz")
    return {path.stem: gzip.decompress(path.read_bytes()) for path in packed}


def unusable(tmp_path: Path) -> str:
    """A path that no one, root included, can create: it lies below a regular file."""
    (tmp_path / "file").write_text("")
    return str(tmp_path / "file" / "below")


def test_the_packaged_files_have_the_checksums_that_are_shipped_with_them():
    lines = (cache.PACKAGED / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in cache.PACKAGED.glob("*.gz")
    }
    assert found == sums
    assert len(sums) == 4


def test_unpacking_gives_what_gzip_gives_and_nothing_else():
    assert raw_files(embedded_root()) == packaged_files()


def test_a_second_start_writes_nothing(monkeypatch):
    first = raw_files(embedded_root())

    def refuse(*_):
        raise AssertionError("written twice")

    monkeypatch.setattr(cache, "write_atomically", refuse)
    assert raw_files(embedded_root()) == first


def test_a_process_reads_every_byte_once(monkeypatch):
    embedded_root()
    embedded_root()
    monkeypatch.setattr(Path, "read_bytes", None)
    embedded_root()


@pytest.mark.parametrize("damage", ["missing", "cut short", "one bit", "empty"])
def test_a_damaged_cache_repairs_itself(damage):
    embedded_root()
    # The second time it is found whole, which this process remembers.
    victim = embedded_root() / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = victim.read_bytes()
    flipped = content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]
    if damage == "missing":
        victim.unlink()
    else:
        kept = {"cut short": content[:-1], "one bit": flipped, "empty": b""}
        victim.write_bytes(kept[damage])
    assert raw_files(embedded_root()) == packaged_files()


def test_an_interrupted_unpack_leaves_no_part_and_the_next_one_finishes(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            embedded_root()
    raw = cache.cache_folders()[0] / "embedded" / "MNIST" / "raw"
    assert list(raw.iterdir()) == []
    assert raw_files(embedded_root()) == packaged_files()


def test_parts_of_a_killed_process_go_and_those_of_a_living_one_stay(tmp_path):
    old, new = tmp_path / "a.part", tmp_path / "b.part"
    for part in (old, new):
        part.write_bytes(b"half")
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    write_atomically(tmp_path / "target", b"whole")
    assert {path.name for path in tmp_path.glob("*.part")} == {"b.part"}


def test_two_kernels_that_start_together_both_read_good_data():
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", READ_ALL], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [kernel.communicate(timeout=60)[0] for kernel in kernels]
    names = cache.IDX_FILES
    whole = hashlib.sha256(b"".join(packaged_files()[n] for n in names)).hexdigest()
    assert [kernel.returncode for kernel in kernels] == [0, 0]
    assert outputs == [whole + "\n"] * 2


def test_a_reader_never_meets_half_a_file(tmp_path):
    target, content = tmp_path / "target", bytes(4_000_000)
    write_atomically(target, content)
    sizes, done = set(), threading.Event()

    def read():
        while not done.is_set():
            sizes.add(len(target.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        write_atomically(target, content)
    done.set()
    reader.join()
    assert sizes == {len(content)}


@pytest.mark.parametrize("damage", ["cut short", "missing", "swapped", "no sums"])
def test_a_damaged_package_is_one_sentence_with_the_remedy(package, damage, tmp_path):
    victim = package / "t10k-labels-idx1-ubyte.gz"
    if damage == "cut short":
        victim.write_bytes(victim.read_bytes()[:500])
    elif damage == "missing":
        victim.unlink()
    elif damage == "swapped":
        shutil.copy(package / "train-labels-idx1-ubyte.gz", victim)
    else:
        (package / "SHA256SUMS").unlink()
    with pytest.raises(DataError, match="match SHA256SUMS but got a damaged") as caught:
        embedded_root()
    assert "reinstall the course's helpers" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("cache/**/t10k-labels*"))


def test_an_unusable_cache_gives_way_to_a_temporary_folder_and_one_line(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("COURSE_CACHE_DIR", unusable(tmp_path))
    root = embedded_root()
    assert root.is_relative_to(tmp_path / "tmp")
    assert raw_files(root) == packaged_files()
    assert embedded_root() == root
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "set COURSE_CACHE_DIR to a folder of your own" in lines[0]


def test_a_full_disk_gives_way_to_the_temporary_folder(tmp_path, monkeypatch, capsys):
    real = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.is_relative_to(tmp_path / "cache"):
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    assert raw_files(embedded_root()) == packaged_files()
    assert "cannot be written" in capsys.readouterr().out


def test_a_usable_cache_prints_nothing(capsys):
    embedded_root()
    assert capsys.readouterr() == ("", "")


def test_no_folder_at_all_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", unusable(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", unusable(tmp_path))
    with pytest.raises(
        DataError, match="Expected to write to .* but got .*: set COURSE"
    ):
        embedded_root()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows folders have no uid")
def test_a_temporary_folder_of_another_user_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", unusable(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(DataError, match="belongs to another user"):
        with_cache_folder(lambda folder: os.listdir(folder))


def test_without_a_variable_the_cache_is_where_the_system_keeps_caches(monkeypatch):
    monkeypatch.delenv("COURSE_CACHE_DIR")
    assert cache.cache_folders()[0].is_absolute()
    assert "lightning-course" in cache.cache_folders()[0].parts
