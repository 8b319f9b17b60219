"""Kernels that are killed or interrupted: nothing is lost.

The kernels are real, and so is what their cells use: progress, evidence, the cache of
digits, runs in two processes. The cells do not import torch, which only takes time.
"""

import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fault_scenarios import executed
from faults import (
    lives,
    noted_pids,
    wait_for,
    write_notebook,
)
from jupyter_client.manager import KernelManager

from course_utils import progress
from course_utils.data.cache import IDX_FILES, PACKAGED, is_unpacked_copy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals"),
]

SETUP = """
import os, signal, time
from pathlib import Path
from course_utils import progress
from course_utils.experiments.claims import claim
from course_utils.data.cache import embedded_root
from course_utils.distributed import run_processes

def note(name):
    Path(f"{name}.part").write_text(str(os.getpid()))
    os.rename(f"{name}.part", f"{name}.pid")
"""
PREDICT = """
progress.record("prediction", "12.1", True)
claim("12.1", "it holds", 1, equals=1)
"""
UNPACK = "_ = embedded_root()"
WAIT_IN_TWO_PROCESSES = """
def wait():
    note("rank " + os.environ["RANK"])
    time.sleep(600)

if not Path("again").exists():
    note("kernel")
    run_processes(wait, timeout_seconds=600, method={method!r})
"""
GO_ON = """
progress.record("exercise", "12.1", "correct")
print(run_processes(lambda: int(os.environ["RANK"])))
"""
METHOD = "fork" if sys.platform == "linux" else "fresh"


@pytest.fixture
def desk(tmp_path, monkeypatch) -> Path:
    """A folder with everything that a lesson writes; it is the working directory."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(tmp_path / "progress.jsonl"))
    monkeypatch.setenv("COURSE_EVIDENCE", str(tmp_path / "evidence.jsonl"))
    return tmp_path


def evidence() -> list[str]:
    lines = Path("evidence.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["practice"] for line in lines]


def left_in(tmp: Path) -> list[Path]:
    # `import lightning` makes that folder.
    return [path for path in tmp.iterdir() if "torchinductor" not in path.name]


def nothing_is_left(tmp: Path, pids: list[int]) -> None:
    wait_for(lambda: not any(map(lives, pids)), seconds=60)
    wait_for(lambda: not left_in(tmp), seconds=60)


def cache_is_whole() -> bool:
    raw = Path("cache", "embedded", "MNIST", "raw")
    names = sorted(path.name for path in raw.iterdir())
    return names == sorted(IDX_FILES) and all(
        is_unpacked_copy(PACKAGED / f"{name}.gz", raw / name) for name in names
    )


def test_a_kernel_killed_in_mid_lesson_leaves_its_progress_and_nothing_else(desk):
    wait = WAIT_IN_TWO_PROCESSES.format(method=METHOD)
    path = write_notebook(desk / "lesson.ipynb", SETUP, PREDICT, UNPACK, wait, GO_ON)
    killed = ThreadPoolExecutor(1).submit(executed, str(path))
    pids = noted_pids(desk, 3)
    os.kill(int(Path("kernel.pid").read_text()), signal.SIGKILL)
    assert killed.result(200)["failure"] == (
        "Cell 4 of 5 (`def wait():`) ended the kernel; it may have run out of memory."
    )
    nothing_is_left(desk / "tmp", pids)
    assert progress.load() == progress.Progress({"12.1": True}, {})
    assert evidence() == ["12.1"]

    Path("again").touch()
    assert executed(str(path)) == {
        "failure": "",
        "text": "✓ 12.1 it holds\n[0, 1]\n",
        "noise": "",
    }
    assert progress.load() == progress.Progress({"12.1": True}, {"12.1": "correct"})
    assert progress.load().problem == ""
    assert evidence() == ["12.1", "12.1"]
    assert cache_is_whole()
    assert left_in(desk / "tmp") == []


# Ctrl-C in a run of two processes


@pytest.fixture
def kernel(desk):
    manager = KernelManager()
    manager.start_kernel(cwd=str(desk))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=200)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_the_stop_button_ends_both_processes_and_the_next_run_works(desk, kernel):
    manager, client = kernel
    client.execute_interactive(SETUP, timeout=200)
    before = set((desk / "tmp").iterdir())
    asked = client.execute(WAIT_IN_TWO_PROCESSES.format(method=METHOD))
    pids = noted_pids(desk, 3)
    alive = int(Path("kernel.pid").read_text())
    manager.interrupt_kernel()
    replies = iter(lambda: client.get_shell_msg(timeout=200), None)
    reply = next(each for each in replies if each["parent_header"]["msg_id"] == asked)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert [pid for pid in pids if lives(pid)] == [alive]
    assert set((desk / "tmp").iterdir()) == before

    # By a file: under load, what is printed may come after the kernel says it is idle.
    again = f"run_processes(lambda: int(os.environ['RANK']), method={METHOD!r})"
    status = "aborted"  # ipykernel 6 refuses what comes within 0.1 s of a stop
    while status == "aborted":
        reply = client.execute_interactive(
            f"open('again', 'w').write(str({again}))", timeout=200
        )
        status = reply["content"]["status"]
    assert status == "ok", reply["content"]
    assert Path("again").read_text() == "[0, 1]"
