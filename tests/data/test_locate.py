import gzip
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import hardware
from course_utils.data.cache import IDX_FILES, DataError
from course_utils.data.locate import chosen_name, locate, open_dataset
from course_utils.data.sources import SOURCES, validate_name


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)


def idx_files(train: int = 3, test: int = 2) -> dict[str, bytes]:
    """Files in MNIST's format, written by hand: magic, sizes, bytes (big-endian)."""
    files = {}
    for half, count in (("train", train), ("t10k", test)):
        pixels = bytes(i % 256 for i in range(count * 784))
        images = struct.pack(">IIII", 2051, count, 28, 28) + pixels
        labels = struct.pack(">II", 2049, count) + bytes(i % 10 for i in range(count))
        files[f"{half}-images-idx3-ubyte"] = images
        files[f"{half}-labels-idx1-ubyte"] = labels
    return files


def write(folder: Path, packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in idx_files().items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)
    return folder


def snapshot(folder: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("minst", "mnist"),
        ("fashion_mnits", "fashion-mnist"),
        ("cifar-10", "cifar10"),
        ("embeded", "embedded"),
    ],
)
def test_a_typo_in_the_variable_is_answered_with_the_nearest_name(
    typo, meant, monkeypatch
):
    monkeypatch.setenv("COURSE_DATA", typo)
    with pytest.raises(ValueError, match="Expected COURSE_DATA to be one of") as caught:
        chosen_name()
    assert str(caught.value).endswith(f"but got {typo!r}. Did you mean {meant!r}?")


def test_a_name_unlike_any_other_gets_no_suggestion():
    with pytest.raises(ValueError, match="Expected name to be one of") as caught:
        chosen_name("imagenet-21k")
    assert str(caught.value).endswith("but got 'imagenet-21k'.")


def test_a_name_that_is_no_string_is_a_type_error():
    with pytest.raises(TypeError, match="Expected name to be a string but got 10."):
        chosen_name(10)


def test_the_argument_wins_over_the_variable_and_case_does_not_matter(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "CIFAR10")
    assert chosen_name() == "cifar10"
    assert chosen_name("Fashion-MNIST") == "fashion-mnist"


@pytest.mark.parametrize("text", ["", None])
def test_a_cpu_gets_the_embedded_digits_unless_asked_otherwise(
    text, monkeypatch, tmp_path
):
    monkeypatch.setattr(hardware.torch.cuda, "is_available", lambda: False)
    write(tmp_path / "cache" / "MNIST" / "raw")
    if text is not None:
        monkeypatch.setenv("COURSE_DATA", text)
    assert chosen_name() == "embedded"


def test_a_gpu_gets_the_full_data_only_if_it_is_on_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "profile", lambda: hardware.GPU)
    assert chosen_name() == "embedded"
    write(tmp_path / "cache" / "MNIST" / "raw")
    assert chosen_name() == "mnist"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_missing_data_is_one_sentence_with_three_remedies(name):
    with pytest.raises(DataError) as caught:
        locate(name)
    message = str(caught.value)
    assert message.startswith(f"Expected {SOURCES[name].title} in the cache but")
    assert f"`course data {name}`" in message
    assert "COURSE_DATA_DIR" in message
    assert "COURSE_DATA=embedded" in message
    assert "\n" not in message


def test_a_folder_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", "no/such/folder")
    with pytest.raises(
        ValueError, match="to be an existing folder but got 'no/such/folder'"
    ):
        locate("mnist")


@pytest.mark.parametrize("below", ["", "MNIST", "MNIST/raw"])
def test_a_root_of_torchvision_is_used_as_it_is(below, tmp_path, monkeypatch):
    write(tmp_path / "own" / "MNIST" / "raw")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "own" / below))
    assert locate("mnist") == tmp_path / "own"
    # Both data sets use the same file names; this folder says which one it holds.
    with pytest.raises(DataError, match=r"Expected Fashion-MNIST .*\(COURSE_DATA_DIR"):
        locate("fashion-mnist")


def test_data_beside_the_folder_that_was_named_is_not_taken(tmp_path, monkeypatch):
    write(tmp_path / "own" / "MNIST" / "raw")
    (tmp_path / "own" / "other").mkdir()
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "own" / "other"))
    with pytest.raises(DataError, match=r"other \(COURSE_DATA_DIR\) or the cache but"):
        locate("mnist")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_files_lying_directly_in_a_folder_are_read_and_the_folder_left_alone(
    name, packed, tmp_path, monkeypatch
):
    own = write(tmp_path / "own", packed)
    monkeypatch.setenv("COURSE_DATA_DIR", str(own))
    before = snapshot(own)
    data = open_dataset(name, train=True)
    assert data.targets.tolist() == [0, 1, 2]
    assert data.data.numpy().tobytes() == idx_files()["train-images-idx3-ubyte"][16:]
    assert snapshot(own) == before


@pytest.mark.parametrize("packed", [False, True])
def test_a_changed_folder_or_a_damaged_copy_is_copied_again(
    packed, tmp_path, monkeypatch
):
    own = write(tmp_path / "own", packed)
    monkeypatch.setenv("COURSE_DATA_DIR", str(own))
    copy = locate("mnist") / "MNIST" / "raw" / IDX_FILES[1]
    copy.write_bytes(copy.read_bytes()[:-1] + b"\7")
    locate("mnist")
    assert copy.read_bytes() == idx_files()[IDX_FILES[1]]


def test_packed_files_in_a_torchvision_root_are_found(tmp_path, monkeypatch):
    write(tmp_path / "own" / "FashionMNIST" / "raw", packed=True)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "own"))
    assert len(open_dataset("fashion-mnist", train=False)) == 2


def test_a_damaged_packed_file_of_the_learner_is_named(tmp_path, monkeypatch):
    own = write(tmp_path / "own", packed=True)
    victim = own / f"{IDX_FILES[0]}.gz"
    victim.write_bytes(victim.read_bytes()[:-20])
    monkeypatch.setenv("COURSE_DATA_DIR", str(own))
    with pytest.raises(DataError, match=f"{victim.name} to be a whole, readable file"):
        locate("mnist")


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_files_cut_short_are_one_sentence(kept, tmp_path):
    raw = write(tmp_path / "MNIST" / "raw")
    victim = raw / "train-images-idx3-ubyte"
    victim.write_bytes(victim.read_bytes()[:kept])
    with pytest.raises(DataError, match="Expected readable files of MNIST") as caught:
        open_dataset("mnist", train=True, root=tmp_path)
    assert "`course data mnist`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_another_format_is_one_sentence(tmp_path):
    raw = write(tmp_path / "MNIST" / "raw")
    (raw / "train-labels-idx1-ubyte").write_text("<html>not found</html>")
    with pytest.raises(DataError, match="Expected readable files of MNIST"):
        open_dataset("mnist", train=True, root=tmp_path)


def test_names_and_places_are_known_without_importing_torch():
    code = (
        "import sys, course_utils.data.download;"
        "import course_utils.data.locate as locate;"
        "locate.chosen_name('mnist'); locate.locate('embedded');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_data_set_has_a_class_in_torchvision_and_files_below_a_root():
    for name in SOURCES:
        assert validate_name(name) == name
        assert len(SOURCES[name].files()) in (4, 7)
