"""Real kernels, forked from one parent that all tests share."""

import asyncio
import os
import signal
import sys
import time
from importlib.metadata import EntryPoint

import psutil
import pytest
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

from course_utils import ready_kernel
from course_utils.ready_kernel import server, suitable

STANZA = {"provisioner_name": ready_kernel.NAME, "config": {"any_notebook": True}}
CLASS = "course_utils.ready_kernel.provisioner:ReadyProvisioner"
SECONDS = 100
MOMENT = 20


class Specs(KernelSpecManager):
    def get_kernel_spec(self, kernel_name):
        spec = KernelSpec(resource_dir="", **get_kernel_dict())
        if kernel_name == "ready":
            spec.metadata["kernel_provisioner"] = STANZA
        return spec


class Kernel:
    """A kernel, and what it prints."""

    def __init__(self, name):
        self.name = name

    @property
    def process(self):
        return self.manager.provisioner.process

    async def start(self, **options):
        # Another process can take a port between its choice and its use.
        for last in (False, False, True):
            self.manager = AsyncKernelManager(
                kernel_name=self.name,
                kernel_spec_manager=Specs(),
                shutdown_wait_time=20,
            )
            await self.manager.start_kernel(**options)
            self.client = self.manager.client()
            self.client.start_channels()
            try:
                await self.client.wait_for_ready(timeout=SECONDS)
                break
            except RuntimeError:
                if last or await self.manager.is_alive():
                    raise
                await self.end()
        return self

    async def run(self, code):
        said = []

        def note(message):
            content = message["content"]
            said.append(content.get("text") or content.get("ename") or "")

        await self.client.execute_interactive(code, output_hook=note, timeout=SECONDS)
        return "".join(said).strip()

    async def end(self, now=False):
        self.client.stop_channels()
        await self.manager.shutdown_kernel(now=now)


def children():
    """Return the processes that this one has started and not yet seen end."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


def left_since(before):
    """Return the processes that are there besides ``before`` and the parent."""
    parent = server._parent
    return children() - before - ({parent.process.pid} if parent else set())


def factory_knows():
    """Let Jupyter know of this start, also where an older package is installed."""
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[ready_kernel.NAME] = EntryPoint(
        ready_kernel.NAME, CLASS, "jupyter_client.kernel_provisioners"
    )


@pytest.fixture(scope="module", autouse=True)
def known_to_jupyter():
    if sys.platform != "linux" or suitable.has_gpu():
        pytest.skip("kernels start in the ordinary way here")
    factory_knows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_KERNEL", "ready")
        yield


@pytest.fixture
def with_kernels():
    """Run a coroutine function with a function that starts kernels."""
    before = children()

    def run(scenario):
        async def all_of_it():
            kernels = []

            async def new(name="ready", **options):
                kernels.append(Kernel(name))
                return await kernels[-1].start(**options)

            try:
                return await scenario(new)
            finally:
                for kernel in kernels:
                    if kernel.manager.has_kernel:
                        await kernel.end(now=True)

        return asyncio.run(all_of_it())

    yield run
    # A fork that nobody waits for any more ends by itself, a moment later.
    until = time.monotonic() + MOMENT
    while (left := left_since(before)) and time.monotonic() < until:
        time.sleep(0.1)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
