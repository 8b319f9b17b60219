"""Runs through Dask: real schedulers, workers and kernels on the loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import psutil
import pytest
from distributed import Client
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.authoring.evidence import parallel
from course_utils.authoring.evidence.parallel import Job, run_jobs
from course_utils.authoring.evidence.tasks import Task

pytestmark = pytest.mark.slow
CLAIM = (
    "from course_utils import claim, settings\n"
    "claim('0.1', 'large', settings.seed() + 0.5, at_least=0.5)\n"
)
DASK = [sys.executable, "-m", "dask"]


def _job(seed: int, *cells: str, cores: int = 1) -> Job:
    notebook = new_notebook(cells=[new_code_cell(each) for each in (CLAIM, *cells)])
    return Job(Task("00", seed, "embedded"), nbformat.writes(notebook), cores)


def _measured(outcomes) -> dict[int, float]:
    return {o.task.seed: o.claims[0].measured for o in outcomes}


@pytest.mark.parametrize(
    ("cores", "free", "slots"), [(8, 4e9, 3), (2, 64e9, 2), (4, 1e9, 1), (None, 9e9, 1)]
)
def test_as_many_lessons_run_at_once_as_cores_and_memory_allow(
    monkeypatch, cores, free, slots
):
    monkeypatch.setattr(psutil, "cpu_count", lambda: cores)
    memory = type("Memory", (), {"available": free})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    assert parallel.slots() == slots


def test_every_job_comes_back_with_its_own_claim_and_a_failure_stops_no_other(tmp_path):
    jobs = [_job(0), _job(1, "raise RuntimeError('no')"), _job(2)]
    found = {o.task.seed: o for o in run_jobs(jobs, workers=2)}
    assert _measured(found.values()) == {0: 0.5, 1: 1.5, 2: 2.5}
    assert found[1].failure.endswith("raised RuntimeError: no.")
    assert found[0].failure == found[2].failure == ""
    assert found[0].versions["torch"]
    assert socket.gethostname() not in found[0].machine


def test_a_job_that_wants_all_cores_has_them_for_itself(tmp_path):
    log = tmp_path / "log"
    note = (
        "import time, pathlib\n"
        f"log = pathlib.Path({str(log)!r})\n"
        "with log.open('a') as lines: lines.write('{0} begins\\n')\n"
        "time.sleep(1)\n"
        "with log.open('a') as lines: lines.write('{0} ends\\n')\n"
    )
    jobs = [
        _job(0, note.replace("{0}", "small")),
        _job(1, note.replace("{0}", "small")),
    ]
    jobs += [_job(2, note.replace("{0}", "large"), cores=2)]
    assert len(list(run_jobs(jobs, workers=2))) == 3
    lines = log.read_text().splitlines()
    assert lines[:2] == ["large begins", "large ends"]
    assert lines[2:4] == ["small begins", "small begins"]  # these two, at once


def _address(scheduler: subprocess.Popen) -> str:
    for line in scheduler.stderr:
        if "Scheduler at:" in line:
            return line.split()[-1]
    raise AssertionError("the scheduler ended")


@pytest.fixture
def cluster():
    """Yield the address of a scheduler, and what starts a worker process for it."""
    started = []

    def start(*command: str, **options) -> subprocess.Popen:
        started.append(subprocess.Popen([*DASK, *command], text=True, **options))
        return started[-1]

    scheduler = start(
        *("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"),
        stderr=subprocess.PIPE,
    )
    address = _address(scheduler)

    def worker(*options: str) -> subprocess.Popen:
        base = ("worker", address, "--no-nanny", "--no-dashboard", "--nthreads", "1")
        return start(*base, *options, stderr=subprocess.DEVNULL)

    def wait_for(count: int) -> None:
        with Client(address) as client:
            client.wait_for_workers(count, timeout=60)

    yield address, worker, wait_for
    for process in started:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _kill_the_first(folder: Path) -> tuple[int, int]:
    """Kill the worker whose kernel left the first file; return both their pids."""
    end = time.monotonic() + 120
    while not list(folder.iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    worker, kernel = map(int, next(folder.iterdir()).name.split("-"))
    os.kill(worker, signal.SIGKILL)
    return worker, kernel


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGKILL")
def test_a_worker_that_is_killed_in_mid_run_loses_no_result(cluster, tmp_path):
    address, worker, wait_for = cluster
    workers = [worker("--resources", f"{parallel.RESOURCE}=1") for _ in range(2)]
    wait_for(2)
    slow = (
        "import os, pathlib, time\n"
        "name = f'{os.getppid()}-{os.getpid()}'\n"
        f"pathlib.Path({str(tmp_path)!r}, name).touch()\n"
        "time.sleep(2)\n"
    )
    jobs = [_job(seed, slow) for seed in range(3)]
    with ThreadPoolExecutor() as pool:
        killing = pool.submit(_kill_the_first, tmp_path)
        outcomes = list(run_jobs(jobs, scheduler=address))
        killed, kernel = killing.result()
    assert killed in [each.pid for each in workers]
    assert [each.poll() for each in workers].count(-signal.SIGKILL) == 1
    assert _measured(outcomes) == {0: 0.5, 1: 1.5, 2: 2.5}
    assert [each.failure for each in outcomes] == [""] * 3
    assert len(list(tmp_path.iterdir())) == 4  # the lost run began twice
    _, gone = psutil.wait_procs(_alive(kernel), timeout=10)
    assert not gone, "the kernel of the killed worker still runs"


def _alive(pid: int) -> list[psutil.Process]:
    return [psutil.Process(pid)] if psutil.pid_exists(pid) else []


def test_workers_that_offer_no_cores_are_told_how(cluster):
    address, worker, wait_for = cluster
    worker()
    wait_for(1)
    with pytest.raises(
        ValueError, match=r"offer cores but found 1 without: start them"
    ):
        list(run_jobs([_job(0)], scheduler=address))


def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr(parallel, "_PATIENCE", 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ValueError, match="but none answered; start one with `dask"):
            list(run_jobs([_job(0)], scheduler=address))
