"""A parent that cannot fork: the ordinary start, and nothing is left behind."""

import asyncio
import os
import signal
import subprocess

import psutil
import pytest

from course_utils.ready_kernel import server
from course_utils.ready_kernel.adopted import AdoptedProcess

# A parent with a fault while a file is there; it imports no more than it needs.
PARENT = """
import errno, os, resource, threading
from pathlib import Path
from course_utils.ready_kernel import newborn, parent

def full():
    return Path({file!r}).exists()

def no_memory(*_):
    raise OSError(errno.ENOMEM, "Cannot allocate memory")

def is_between():
    return os.getppid() != server

fork, take_over, server = os.fork, newborn.take_over, os.getppid()
parent._import_all = lambda: None
{fault}
parent.main()
"""
FAULTS = {
    "a fork": "os.fork = lambda: no_memory() if full() else fork()",
    "the second fork": (
        "os.fork = lambda: no_memory() if full() and is_between() else fork()"
    ),
    "the kernel": """
def take(request):
    if full():
        raise MemoryError
    take_over(request)
newborn.take_over = take
""",
}
REFUSALS = {
    "another thread": """
threading.Thread(target=threading.Event().wait, daemon=True).start()
""",
    "a GPU in use": "import torch; torch.cuda.is_initialized = lambda: True",
    "no memory for imports": """
resource.setrlimit(resource.RLIMIT_AS, (300 * 2**20, 300 * 2**20))
parent._import_all = lambda: __import__("torch")
""",
}


@pytest.fixture
def faulty(monkeypatch, tmp_path):
    """Return what gives the next parent a fault, and the file with which it has it."""
    monkeypatch.setattr(server, "_parent", None)
    file, folder = tmp_path / "full", tmp_path / "code"
    file.touch()
    folder.mkdir()

    def give(fault):
        code = PARENT.format(file=str(file), fault=fault)
        (folder / "faulty_parent.py").write_text(code)
        monkeypatch.setattr(server, "_MODULE", "faulty_parent")
        path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
        monkeypatch.setenv("PYTHONPATH", path.rstrip(os.pathsep))
        return file

    yield give
    server._end()


async def childless(process):
    for _ in range(100):
        if not psutil.Process(process.pid).children():
            return True
        await asyncio.sleep(0.1)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_without_memory_kernels_start_as_ever_until_there_is_some(
    with_kernels, faulty, name
):
    file = faulty(FAULTS[name])

    async def scenario(new):
        kernel = await new()
        assert type(kernel.process) is subprocess.Popen
        assert await kernel.run("print(1)") == "1"
        parent = server._parent.process
        assert parent.poll() is None
        assert await childless(parent)
        file.unlink()
        assert isinstance((await new()).process, AdoptedProcess)
        assert server._parent.process is parent

    with_kernels(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSALS)
def test_a_parent_that_must_not_be_forked_is_asked_once(with_kernels, faulty, name):
    faulty(REFUSALS[name])

    async def scenario(new):
        assert type((await new()).process) is subprocess.Popen
        refused = server._parent
        assert refused.process.wait(100) == 1
        assert type((await new()).process) is subprocess.Popen
        assert server._parent is refused

    with_kernels(scenario)


def test_a_parent_that_is_killed_while_it_is_asked_means_an_ordinary_kernel(
    with_kernels,
):
    async def scenario(new):
        parent = server.prepare(os.environ).process
        os.kill(parent.pid, signal.SIGSTOP)
        asked = asyncio.create_task(new())
        await asyncio.sleep(0.5)
        parent.kill()
        assert type((await asked).process) is subprocess.Popen

    with_kernels(scenario)
