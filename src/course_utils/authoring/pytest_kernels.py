"""A pytest plugin beside nbval: its kernels start as ``COURSE_KERNEL`` says.

Where they are ready, the imports of all notebooks happen once, before the first one
starts. A lesson with its solutions, another one every day, starts in the ordinary way,
so that its budget holds for that, too.
"""

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.provisioning import KernelProvisionerFactory

from course_utils import ready_kernel, settings, syllabus


def ordinary_lesson(day: datetime.date) -> syllabus.Lesson:
    """Return the lesson that starts in the ordinary way on ``day``: each has its turn.

    Example:
        >>> days = [datetime.date(2026, 1, 4), datetime.date(2026, 1, 5)]
        >>> first, second = (int(ordinary_lesson(day).id) for day in days)
        >>> (second - first) % len(syllabus.load().ready)
        1
    """
    lessons = syllabus.load().ready
    return lessons[day.toordinal() % len(lessons)]


class Kernels:
    """How the kernels of one session start if they are to be ready.

    Attributes:
        ordinary: The lesson that starts in the ordinary way.
        import_seconds: What the imports of all others took; None before they happened,
            and if every kernel starts in the ordinary way on this machine.
    """

    def __init__(self, ordinary: syllabus.Lesson) -> None:
        """Begin a session in which no kernel has started."""
        self.ordinary = ordinary
        self.import_seconds: float | None = None
        self._begun = False

    def _begin(self) -> None:
        if not self._begun:
            self.import_seconds = ready_kernel.begin(wait=True)
            self._begun = True

    @contextlib.contextmanager
    def _as_for(self, notebook: Path) -> Iterator[None]:
        factory = KernelProvisionerFactory.instance()
        with pytest.MonkeyPatch.context() as patch:
            # As Jupyter's server tells for which notebook it starts a kernel.
            patch.setenv("JPY_SESSION_NAME", notebook.name)
            patch.setattr(factory, "default_provisioner_name", ready_kernel.NAME)
            if notebook.stem == self.ordinary.file:
                patch.setenv("COURSE_KERNEL", "ordinary")
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """Start the kernel of a cell's notebook; before the time of that is taken."""
        # By name: nbval may be absent where only `src` is tested.
        if type(item).__name__ != "IPyNbCell":
            return (yield)
        self._begin()
        if self.import_seconds is None:
            return (yield)
        with self._as_for(item.path):
            return (yield)

    def lines(self) -> Iterator[str]:
        """Yield what is told of them below the table of budgets."""
        if self.import_seconds is None:
            yield "kernels: all started in the ordinary way; none can be ready here"
        else:
            yield f"imports: {self.import_seconds:.1f} s, once for all ready kernels"
            yield f"in the ordinary way, drawn by date: lesson {self.ordinary.id}"


KERNELS = pytest.StashKey[Kernels]()


def register(config: pytest.Config) -> None:
    """Put the plugin to work if kernels are to be ready.

    Raises:
        pytest.UsageError: If the setting is no such word.
    """
    try:
        if settings.kernel() != "ready":
            return
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[KERNELS] = Kernels(ordinary_lesson(datetime.date.today()))
    config.pluginmanager.register(config.stash[KERNELS], "course-kernels")
