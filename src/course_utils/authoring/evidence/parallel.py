"""Many runs at once, through Dask's futures: on this machine, or on a cluster.

Each run takes as many of a resource called ``core`` as it needs. A worker that is lost
loses nothing but time: Dask gives its runs to another one.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from course_utils.authoring.evidence.execute_task import execute_task
from course_utils.authoring.evidence.tasks import Outcome, Task

if TYPE_CHECKING:
    from distributed import Client

RESOURCE = "core"
MEGABYTES = 1300  # what a lesson's kernel may take, and the worker's share
_PATIENCE = 10  # seconds for a scheduler to answer, and for its first worker


@dataclass(frozen=True)
class Job:
    """A task with what a worker needs for it.

    Attributes:
        task: What to run.
        notebook: The lesson's notebook, as the text of its file.
        cores: How many cores it wants for itself.
    """

    task: Task
    notebook: str
    cores: int = 1


def slots() -> int:
    """Return how many lessons fit into the cores and the free memory of this machine.

    At least 1.
    """
    free = psutil.virtual_memory().available / 1e6
    return max(1, min(psutil.cpu_count() or 1, int(free // MEGABYTES)))


@contextlib.contextmanager
def _connected(scheduler: str | None, workers: int | None) -> Iterator["Client"]:
    from distributed import Client, LocalCluster

    for name in ("distributed", "asyncio", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=_PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:
            raise ValueError(
                f"Expected a Dask scheduler at {scheduler} but none answered; start "
                "one with `dask scheduler`, or leave --scheduler out."
            ) from error
        with client:
            yield client
        return
    count = workers or slots()
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=count,  # a run is a process of its own: its kernel
            resources={RESOURCE: count},
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None would take a fixed port
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _cores_offered(client: "Client") -> int:
    """Return the largest number of cores that one worker offers.

    Raises:
        ValueError: If no worker offers any.
    """
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(1, timeout=_PATIENCE)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    offered = [int(each["resources"].get(RESOURCE, 0)) for each in workers]
    if not any(offered):
        raise ValueError(
            "Expected workers that offer cores but found "
            f"{len(offered)} without: start them with `dask worker ADDRESS --nthreads "
            f"2 --resources {RESOURCE}=2`."
        )
    return max(offered)


def run_jobs(
    jobs: Sequence[Job], *, scheduler: str | None = None, workers: int | None = None
) -> Iterator[Outcome]:
    """Yield the outcome of every job as soon as it is there.

    Jobs that want several cores come first, so that they do not wait for a moment in
    which nothing else runs.

    Args:
        jobs: What to run; without any, no worker is started.
        scheduler: Address of a Dask scheduler; by default workers of this machine.
        workers: Runs at once on this machine; by default as many as `slots` says.

    Raises:
        ValueError: If there is no such scheduler, or none of its workers offers cores.
    """
    if not jobs:
        return
    from distributed import as_completed

    with _connected(scheduler, workers) as client:
        most = _cores_offered(client)
        futures = {}
        for job in sorted(jobs, key=lambda each: -each.cores):
            future = client.submit(
                execute_task,
                job.task,
                job.notebook,
                resources={RESOURCE: min(job.cores, most)},
                pure=False,
                retries=1,
            )
            futures[future] = job
        try:
            for future in as_completed(futures):
                job = futures.pop(future)
                if error := future.exception():
                    lost = f"Its run was lost: {type(error).__name__}: {error}"
                    yield Outcome(job.task, failure=lost)
                else:
                    yield future.result()
        finally:
            client.cancel(list(futures))
