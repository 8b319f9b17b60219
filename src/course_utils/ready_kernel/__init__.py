"""Kernels that start with the libraries imported: forked from a process that has them.

A server (JupyterLab, or `course run`) has one parent, which imports what lessons import
and then waits. Each kernel of a lesson is a fork of it, and shares that memory::

    server ── asks ──▶ parent ── forks ──▶ kernel        `protocol`: what is said
      ▲                                       │
      └──────────── becomes its child ────────┘

From then on the kernel is a child of the server, like any other: signals, restart, exit
status and end are Jupyter's own, and no kernel needs the parent any more.

`provisioner` is what Jupyter calls: a kernel from `server`, or the ordinary start where
`suitable` or anything that fails says so. `parent` runs in the parent, `newborn` in the
kernel, `adopted` is the server's view of a kernel.

The setting ``COURSE_KERNEL``, read in `suitable`, decides for everything that starts a
kernel: `course lab` names the provisioner in its settings, what executes a notebook in
the kernel's specification (`metadata`), the tests for each notebook
(`course_utils.authoring.pytest_kernels`).

A fork shares with its siblings what Python draws once for a process: the hash seed,
which orders sets of strings, and addresses, which order sets of objects. A lesson whose
numbers depended on either would change from one ordinary start to the next;
`course_utils.authoring.compare_kernels` looks for that.
"""

import os
import time
from contextlib import suppress
from importlib.metadata import entry_points
from typing import Any

_GROUP = "jupyter_client.kernel_provisioners"
NAME = "course-ready"  # of the entry point in that group, in pyproject.toml


def is_installed() -> bool:
    """Return whether Jupyter knows of it: not before an update is installed."""
    return bool(entry_points(group=_GROUP, name=NAME))


def metadata() -> dict[str, Any]:
    """Return the metadata of a kernel that starts in this way for every notebook."""
    stanza = {"provisioner_name": NAME, "config": {"any_notebook": True}}
    return {"kernel_provisioner": stanza} if is_installed() else {}


def are_chosen() -> bool:
    """Return whether kernels of this process are to be ready, and can be."""
    from course_utils.ready_kernel import suitable

    try:
        suitable.check_machine(os.environ)
    except ValueError:  # they start in the ordinary way
        return False
    return is_installed()


def begin(wait: bool = False) -> float | None:
    """Start the parent of this server's kernels, so that the first one finds it.

    Args:
        wait: Whether to wait until it has imported everything.

    Returns:
        The seconds that this took; None if kernels start in the ordinary way.
    """
    from course_utils.ready_kernel import server

    if not are_chosen():
        return None
    began = time.perf_counter()
    with suppress(OSError):  # kernels start in the ordinary way
        parent = server.prepare(os.environ)
        if wait:
            parent.wait()
        return time.perf_counter() - began
    return None
