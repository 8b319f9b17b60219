import errno
import gzip
import hashlib
import io
import os
import pickle
import socket
import struct
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
from torchvision import datasets

from course_utils.data import download as download_module
from course_utils.data.cache import IDX_FILES, DataError
from course_utils.data.download import download
from course_utils.data.locate import locate, open_dataset
from course_utils.data.sources import SOURCES


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Server(ThreadingHTTPServer):
    """Serves `files`; `faults` says what goes wrong with a path, and `asked` counts."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, str] = {}
        self.asked: list[str] = []
        self.address = f"http://127.0.0.1:{self.server_port}/"
        self.ended = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.lstrip("/")
        self.server.asked.append(path)
        fault = self.server.faults.get(path, "")
        if fault.isdecimal() or path not in self.server.files:
            return self.send_error(int(fault or 404))
        content = self.server.files[path]
        self.send_response(200)
        if fault != "no length":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        if fault == "silence":
            self.server.ended.wait(20)
        elif fault != "cut":
            self.wfile.write(content[half:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.ended.set()
    running.shutdown()
    thread.join()
    running.server_close()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def mnist(server, monkeypatch) -> Server:
    """Four tiny files of MNIST, where torchvision's class says they are."""
    for half, count in (("train", 3), ("t10k", 2)):
        images = struct.pack(">IIII", 2051, count, 28, 28) + bytes(count * 784)
        labels = struct.pack(">II", 2049, count) + bytes(range(count))
        server.files[f"{half}-images-idx3-ubyte.gz"] = gzip.compress(images)
        server.files[f"{half}-labels-idx1-ubyte.gz"] = gzip.compress(labels)
    listed = [(f"{name}.gz", md5(server.files[f"{name}.gz"])) for name in IDX_FILES]
    monkeypatch.setattr(datasets.MNIST, "mirrors", [server.address])
    monkeypatch.setattr(datasets.MNIST, "resources", listed)
    return server


def cifar_batches() -> dict[str, bytes]:
    """Two images per batch; the value of every byte of an image is its label."""
    batches = {}
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for i, name in enumerate(names):
        labels = [i, i + 1]
        data = np.repeat(np.array(labels, dtype=np.uint8)[:, None], 3072, axis=1)
        batches[name] = pickle.dumps({"data": data, "labels": labels})
    batches["batches.meta"] = pickle.dumps({"label_names": list("abcdefghij")})
    return batches


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def cifar(server, monkeypatch) -> Server:
    batches = cifar_batches()
    reader = datasets.CIFAR10
    archive = tar_of({f"{reader.base_folder}/{n}": c for n, c in batches.items()})
    server.files[reader.filename] = archive
    listed = [[name, md5(content)] for name, content in batches.items()]
    monkeypatch.setattr(reader, "url", server.address + reader.filename)
    monkeypatch.setattr(reader, "tgz_md5", md5(archive))
    monkeypatch.setattr(reader, "train_list", listed[:5])
    monkeypatch.setattr(reader, "test_list", listed[5:6])
    meta = {**reader.meta, "md5": md5(batches["batches.meta"])}
    monkeypatch.setattr(reader, "meta", meta)
    return server


def everything(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def test_mnist_arrives_in_the_cache_and_torchvision_reads_it(mnist, tmp_path):
    root = download("mnist")
    assert root == tmp_path / "cache" == locate("mnist")
    assert open_dataset("mnist", train=True, root=root).targets.tolist() == [0, 1, 2]
    assert open_dataset("mnist", train=False, root=root).targets.tolist() == [0, 1]
    files = {path.name for path in everything(root) if path.is_file()}
    assert files == set(IDX_FILES)


def test_cifar_arrives_in_the_folder_that_was_named(cifar, tmp_path):
    root = download("cifar10", tmp_path / "mine")
    assert root == tmp_path / "mine"
    data = datasets.CIFAR10(root, train=True)
    assert data.targets == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert not list(root.glob(".download-*"))


def test_what_is_there_is_not_fetched_again(mnist):
    download("mnist")
    asked = list(mnist.asked)
    download("mnist")
    assert mnist.asked == asked


def test_what_is_there_but_damaged_is_fetched_again(cifar, tmp_path):
    root = download("cifar10", tmp_path)
    victim = root / datasets.CIFAR10.base_folder / "data_batch_3"
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    download("cifar10", tmp_path)
    assert victim.read_bytes() == whole


def test_progress_counts_the_bytes_of_each_file(mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(download_module, "CHUNK", 10)
    seen = []
    download("mnist", tmp_path, lambda done, total: seen.append((done, total)))
    sizes = [len(mnist.files[f"{name}.gz"]) for name in IDX_FILES]
    assert [total for done, total in seen if done == 0] == sizes
    assert [total for done, total in seen if done == total] == sizes
    steps = [b[0] - a[0] for a, b in zip(seen, seen[1:], strict=False) if b[0]]
    assert max(steps) == 10


def test_a_server_that_sends_no_length_still_works(mnist, tmp_path):
    name = f"{IDX_FILES[0]}.gz"
    mnist.faults[name] = "no length"
    totals = set()
    download("mnist", tmp_path, lambda done, total: totals.add(total))
    assert 0 in totals
    assert len(open_dataset("mnist", train=True, root=tmp_path)) == 3


def test_a_machine_without_a_network_is_told_so_in_words(tmp_path, monkeypatch):
    """What Python says, `<urlopen error [Errno -2] ...>`, is not for a learner."""

    def offline(request, timeout):
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(download_module, "urlopen", offline)
    with pytest.raises(DataError) as caught:
        download("cifar10", tmp_path / "root")
    assert str(caught.value).startswith(
        "Expected to download cifar-10-python.tar.gz but got no connection "
        "(www.cs.toronto.edu: Name or service not known): check the connection and try"
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404", "HTTP Error 404: Not Found"),
        ("503", "HTTP Error 503: Service Unavailable"),
        ("cut", "a connection cut after "),
        ("silence", "timed out"),
    ],
)
def test_a_failing_server_is_one_sentence_and_leaves_nothing(
    fault, reason, mnist, tmp_path, monkeypatch
):
    monkeypatch.setattr(download_module, "PATIENCE", 0.3)
    name = f"{IDX_FILES[2]}.gz"  # after two files that arrive
    mnist.faults[name] = fault
    with pytest.raises(DataError) as caught:
        download("mnist", tmp_path / "root")
    message = str(caught.value)
    assert message.startswith(f"Expected to download {name} but got {reason}")
    assert "check the connection and try again, set COURSE_DATA_DIR" in message
    assert "\n" not in message
    assert everything(tmp_path / "root") == []


def test_a_server_that_is_down_is_one_sentence(mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(
        DataError, match=r"no connection \(127.0.0.1:9: .*refused.*\): check"
    ):
        download("mnist", tmp_path)
    assert everything(tmp_path) == []


def test_a_wrong_checksum_is_reported_and_leaves_nothing(cifar, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(DataError, match="cifar-10-python.tar.gz but got a wrong check"):
        download("cifar10", tmp_path)
    assert everything(tmp_path) == []


def test_a_second_mirror_replaces_a_bad_first_one(mnist, tmp_path, monkeypatch):
    address = mnist.address
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address + "bad/", address])
    mnist.files[f"bad/{IDX_FILES[0]}.gz"] = b"an error page"
    download("mnist", tmp_path)
    assert len(open_dataset("mnist", train=True, root=tmp_path)) == 3


def test_ctrl_c_leaves_nothing(cifar, tmp_path):
    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download("cifar10", tmp_path, interrupt)
    assert everything(tmp_path) == []


def test_a_full_disk_is_not_blamed_on_the_servers(mnist, tmp_path):
    def full(done: int, total: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match="No space left on device: make room there"):
        download("mnist", tmp_path, full)
    assert len(mnist.asked) == 1
    assert everything(tmp_path) == []


def test_what_a_killed_download_left_goes_with_the_next_one(mnist, tmp_path):
    killed, living = tmp_path / ".download-killed", tmp_path / ".download-living"
    for folder in (killed, living):
        folder.mkdir()
        (folder / "half").write_bytes(b"half")
        os.utime(folder, (0, 0))
    os.utime(killed / "half", (0, 0))
    download("mnist", tmp_path)
    assert (killed.exists(), living.exists()) == (False, True)


def test_an_archive_cannot_write_outside_its_folder(cifar, tmp_path, monkeypatch):
    reader = datasets.CIFAR10
    batches = {f"../../{name}": content for name, content in cifar_batches().items()}
    cifar.files[reader.filename] = tar_of(batches)
    monkeypatch.setattr(reader, "tgz_md5", md5(cifar.files[reader.filename]))
    root = tmp_path / "a" / "b"
    download("cifar10", root)
    assert {p.parent for p in everything(tmp_path) if p.is_file()} == {
        root / reader.base_folder
    }


def test_a_folder_that_cannot_be_written_is_one_sentence(mnist, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match="Expected to unpack MNIST into .*file/root but"
    ):
        download("mnist", tmp_path / "file" / "root")


def test_the_embedded_digits_need_no_download():
    with pytest.raises(ValueError, match="'embedded', which ships with the course"):
        download("embedded")


def test_a_typo_is_answered_before_any_server_is_asked(mnist):
    with pytest.raises(ValueError, match="Did you mean 'mnist'"):
        download("minst")
    assert mnist.asked == []


def test_only_cifar_comes_with_a_warning():
    assert "throttled since June 2026" in SOURCES["cifar10"].warning
    assert "about an hour" in SOURCES["cifar10"].warning
    assert SOURCES["mnist"].warning == ""
