"""A forked kernel is an ordinary one: how it begins, obeys and ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.connect import LocalPortCache

from course_utils.ready_kernel import parent, server
from course_utils.ready_kernel.adopted import AdoptedProcess

# What a lesson's first cells leave behind, and what else a kernel has of its own.
STATE = """
import course_utils
course_utils.start("05", written_for="0.1")
import collections, decimal, faulthandler, gc, json, locale, logging
import multiprocessing, multiprocessing.process as process, os, random, resource
import signal, sys, threading, time, tracemalloc, warnings
import lightning, matplotlib.pyplot as plt, numpy, torch, torchmetrics, torchvision
_ = plt.plot([1, 2])
plt.show()
connection = sys.argv[-1]
loggers = [x for x in logging.root.manager.loggerDict.items() if hasattr(x[1], "level")]
print("STATE", json.dumps({
    # An older ipykernel leaves the folder that it was started in.
    "path": [each for each in sys.path if each != os.getcwd()],
    "arguments": [each for each in sys.argv + sys.orig_argv if each != connection],
    "environment": dict(os.environ),
    "folders": [os.getcwd(), process.ORIGINAL_DIR],
    "flags": [str(sys.flags), str(sys._xoptions), sys.warnoptions],
    "signals": [str(signal.getsignal(n)).split(" at ")[0] for n in signal.Signals],
    "blocked": [*signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "threads": sorted(each.name for each in threading.enumerate()),
    "tasks": len(os.listdir("/proc/self/task")),
    "streams": [os.readlink(f"/proc/self/fd/{n}").partition(":")[0] for n in range(3)],
    "inherited": [os.get_inheritable(n) for n in range(3)],
    "descriptors": sorted(collections.Counter(
        os.path.basename(os.readlink(each.path).partition(":[")[0])
        for each in os.scandir("/proc/self/fd")
        if int(each.name) > 2 and os.path.lexists(each.path)
    ).items()),
    "leader": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
    "server": os.getppid(),
    "priority": os.nice(0),
    "limits": [resource.getrlimit(n) for n in range(16)],
    "filters": sorted(map(str, warnings.filters)),
    "loggers": sorted(
        [name, each.level, each.propagate, [
            [type(h).__name__, type(vars(h).get("stream")).__name__]
            for h in each.handlers
        ]]
        for name, each in loggers if each.handlers or each.level
    ),
    "root": [str(each) for each in logging.root.handlers],
    "collector": [gc.isenabled(), gc.get_threshold()],
    "streams of Python": [
        [each.encoding, each.errors, each.line_buffering]
        for each in (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    ],
    "interpreter": [
        os.umask(0o22), sorted(os.sched_getaffinity(0)),
        locale.setlocale(locale.LC_ALL),
        sys.getrecursionlimit(), sys.getswitchinterval(), str(decimal.getcontext()),
        faulthandler.is_enabled(), tracemalloc.is_tracing(), str(sys.gettrace()),
        str(numpy.geterr()), str(numpy.get_printoptions()),
    ],
    "processes": [
        multiprocessing.get_start_method(),
        torch.multiprocessing.get_sharing_strategy(),
        next(process._process_counter), threading.Thread().name, os.times()[2:4],
    ],
    "torch": [
        torch.get_num_threads(), torch.get_num_interop_threads(),
        str(torch.get_default_dtype()), torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.get_deterministic_debug_mode(), torch.backends.mkldnn.enabled,
    ],
    "random": [random.random(), numpy.random.rand(), torch.rand(1).item()],
    "figures": sorted((name, str(value)) for name, value in plt.rcParams.items()),
    "events": {
        name: [each.__qualname__ for each in found]
        for name, found in get_ipython().events.callbacks.items()
    },
}))
logging.getLogger("lightning").warning("a warning of Lightning")
"""
RANDOM = """
import multiprocessing, random, numpy, torch
key = bytes(multiprocessing.current_process().authkey).hex()
print(random.random(), numpy.random.rand(), torch.initial_seed(), key)
print(torch.rand(1).item())
"""
SERVER = """
import asyncio, os, sys
sys.path.insert(0, {tests!r})
from ready_kernel.conftest import Kernel, factory_knows
from course_utils.ready_kernel import server

async def main():
    factory_knows()
    kernel = await Kernel("ready").start()
    print(kernel.process.pid, server._parent.process.pid, flush=True)
    sys.stdin.read()
    await kernel.end()

asyncio.run(main())
"""


def is_there(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"


async def ended(*pids, seconds=20):
    for _ in range(10 * seconds):
        if not any(map(is_there, pids)):
            return True
        await asyncio.sleep(0.1)
    return False


def test_a_kernel_is_a_child_of_its_server_and_leads_its_own_session(with_kernels):
    async def scenario(new):
        kernel = await new(cwd="/usr")
        pid = kernel.process.pid
        assert isinstance(kernel.process, AdoptedProcess)
        assert psutil.Process(pid).ppid() == os.getpid()
        assert os.getpgid(pid) == os.getsid(pid) == pid
        code = "import os, sys; print(os.getpid(), os.getcwd(), 'torch' in sys.modules)"
        assert await kernel.run(code) == f"{pid} /usr True"

    with_kernels(scenario)


def test_a_lesson_finds_the_state_of_an_ordinary_kernel(with_kernels):
    async def scenario(new):
        kernels = await new(cwd="/usr"), await new("ordinary", cwd="/usr")
        assert type(kernels[1].process) is subprocess.Popen
        said = [await kernel.run(STATE) for kernel in kernels]
        assert all("a warning of Lightning" in text for text in said), said
        return [
            json.loads(text.partition("STATE ")[2].splitlines()[0]) for text in said
        ]

    ready, ordinary = with_kernels(scenario)
    assert ready == ordinary


def test_every_kernel_draws_its_own_random_numbers(with_kernels):
    async def scenario(new):
        return [(await (await new()).run(RANDOM)).split() for _ in range(2)]

    one, other = with_kernels(scenario)
    assert len({*one, *other}) == 10


def test_an_interrupt_stops_a_cell_and_not_the_kernel(with_kernels):
    async def scenario(new):
        kernel = await new()
        pid = kernel.process.pid
        cell = asyncio.create_task(kernel.run("import time; time.sleep(60)"))
        await asyncio.sleep(1)
        began = time.monotonic()
        await kernel.manager.interrupt_kernel()
        assert "KeyboardInterrupt" in await cell
        assert time.monotonic() - began < 30
        assert await kernel.run("import os; print(os.getpid())") == str(pid)

    with_kernels(scenario)


def test_a_restart_is_another_fork(with_kernels):
    async def scenario(new):
        kernel = await new()
        before = kernel.process.pid
        await kernel.run("x = 1")
        await kernel.manager.restart_kernel()
        await kernel.client.wait_for_ready(timeout=100)
        assert kernel.process.pid != before
        assert not psutil.pid_exists(before)  # seen to its end: no zombie
        assert await kernel.run("x") == "NameError"

    with_kernels(scenario)


def test_a_shutdown_ends_a_kernel_and_its_exit_status_is_known(with_kernels):
    async def scenario(new):
        kernel = await new()
        process = kernel.process
        connection = Path(kernel.manager.connection_file)
        assert connection.exists()
        await kernel.end()
        assert process.returncode == 0
        assert not psutil.pid_exists(process.pid)
        assert not connection.exists()

    with_kernels(scenario)


def test_a_killed_kernel_is_noticed_and_can_be_restarted(with_kernels):
    async def scenario(new):
        kernel = await new()
        process = kernel.process
        os.kill(process.pid, signal.SIGKILL)
        for _ in range(100):  # until its last thread has ended
            if not (alive := await kernel.manager.is_alive()):
                break
            await asyncio.sleep(0.1)
        assert not alive
        assert process.poll() == -signal.SIGKILL
        await kernel.manager.restart_kernel(now=True)
        await kernel.client.wait_for_ready(timeout=100)
        assert await kernel.run("print(1)") == "1"

    with_kernels(scenario)


def test_a_kernel_outlives_its_parent_and_the_next_one_has_another(with_kernels):
    async def scenario(new):
        kernel = await new()
        killed = server._parent.process
        killed.kill()
        assert await ended(killed.pid)
        assert await kernel.run("print(1)") == "1"
        await kernel.manager.interrupt_kernel()
        other = await new()
        assert isinstance(other.process, AdoptedProcess)
        assert server._parent.process.pid != killed.pid
        await kernel.end()

    with_kernels(scenario)


def test_nothing_is_left_open_in_the_server_or_in_its_parent(with_kernels):
    def descriptors(pid):
        return sorted(os.listdir(f"/proc/{pid}/fd"))

    async def scenario(new):
        await (await new()).end()
        pids = os.getpid(), server._parent.process.pid
        before = [*map(descriptors, pids)]
        for _ in range(3):
            await (await new()).end()
        assert [*map(descriptors, pids)] == before
        assert psutil.Process(pids[1]).children() == []

    with_kernels(scenario)


def test_a_parent_that_fails_means_an_ordinary_kernel(with_kernels, monkeypatch):
    monkeypatch.setattr(server, "_parent", None)
    monkeypatch.setattr(server, "_MODULE", "course_utils.no_such_module")

    async def scenario(new):
        kernel = await new()
        assert type(kernel.process) is subprocess.Popen
        assert await kernel.run("print(1)") == "1"
        failed = server._parent
        assert type((await new()).process) is subprocess.Popen
        assert server._parent is failed  # nobody waits for another one to fail
        failed.end()

    with_kernels(scenario)


def test_a_parent_that_does_not_answer_means_an_ordinary_kernel(
    with_kernels, monkeypatch
):
    monkeypatch.setattr(server, "_IMPORTS", 0.5)

    async def scenario(new):
        stopped = server.prepare(os.environ).process
        os.kill(stopped.pid, signal.SIGSTOP)
        try:
            kernel = await new()
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
        assert type(kernel.process) is subprocess.Popen

    with_kernels(scenario)


def test_a_kernel_that_is_not_adopted_does_not_live(with_kernels, monkeypatch):
    class Refused:
        def __enter__(self):
            raise PermissionError("cannot adopt processes")

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(server, "adopting", Refused)

    async def scenario(new):
        kernel = await new()
        assert type(kernel.process) is subprocess.Popen
        for _ in range(100):
            if not (left := psutil.Process(server._parent.process.pid).children()):
                break
            await asyncio.sleep(0.1)
        assert left == []

    with_kernels(scenario)


def test_a_folder_that_is_gone_is_the_same_error_as_ever(with_kernels, tmp_path):
    async def scenario(new):
        with pytest.raises(FileNotFoundError):
            await new(cwd=str(tmp_path / "gone"))

    with_kernels(scenario)


def test_a_docstring_can_be_tested_in_it(with_kernels):
    code = r"""
import doctest
example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n2\n", {}, "sum", None, 0)
print(doctest.DocTestRunner().run(example).failed)
"""

    async def scenario(new):
        assert await (await new()).run(code) == "0"

    with_kernels(scenario)


def test_a_kernel_whose_port_is_taken_ends(with_kernels, monkeypatch, capfd):
    find = LocalPortCache.find_available_port

    async def scenario(new):
        with socket.create_server(("127.0.0.1", 0)) as other:
            ports = [other.getsockname()[1]]
            monkeypatch.setattr(
                LocalPortCache,
                "find_available_port",
                lambda cache, ip: ports.pop() if ports else find(cache, ip),
            )
            kernel = await new()
        assert not ports
        assert isinstance(kernel.process, AdoptedProcess)

    with_kernels(scenario)
    assert "Address already in use" in capfd.readouterr().err


def test_twelve_kernels_start_at_once(with_kernels):
    async def scenario(new):
        kernels = await asyncio.gather(*(new() for _ in range(12)))
        assert len({kernel.process.pid for kernel in kernels}) == 12
        assert all(isinstance(kernel.process, AdoptedProcess) for kernel in kernels)
        said = await asyncio.gather(*(k.run("import torch; print(1)") for k in kernels))
        assert said == ["1"] * 12

    with_kernels(scenario)


@pytest.mark.slow
def test_another_environment_or_another_package_renews_the_parent(
    with_kernels, monkeypatch
):
    async def scenario(new):
        first = await new()
        parents = [server._parent.process]
        await new(env={**os.environ, "COURSE_SEED": "3"})
        assert server._parent.process is parents[0]
        other = await new(env={**os.environ, "NPY_PROMOTION_STATE": "weak"})
        parents.append(server._parent.process)
        monkeypatch.setattr(server, "_times", lambda _: [("torch", 1)])
        await new()
        parents.append(server._parent.process)
        assert len({each.pid for each in parents}) == 3
        assert [each.poll() for each in parents] == [-9, -9, None]
        code = "import os; print(os.environ.get('NPY_PROMOTION_STATE'))"
        assert await other.run(code) == "weak"
        assert await first.run(code) == "None"

    with_kernels(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("killed", [True, False])
def test_nothing_outlives_a_server(killed, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    (tmp_path / "tmp").mkdir()
    code = SERVER.format(tests=str(Path(__file__).parents[1]))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as own:
        pids = [int(each) for each in own.stdout.readline().split()]
        assert all(map(is_there, pids))
        if killed:
            own.kill()
    assert asyncio.run(ended(*pids))
    left = [*(tmp_path / "tmp").iterdir(), *(tmp_path / "runtime").glob("*")]
    # `import lightning` makes that folder, in an ordinary kernel, too.
    kinds = [path.suffix for path in left if "torchinductor" not in path.name]
    # Its file of connections: nobody is there to remove it.
    assert kinds == ([".json"] if killed else [])


def test_a_process_with_another_thread_is_not_forked():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="one thread"):
            parent._check_can_fork()
    finally:
        end.set()
        thread.join()
