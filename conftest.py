"""Settings of every test session: equal conditions, budgets, record of versions."""

import atexit
import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from course_utils import environment
from course_utils.authoring import pytest_budgets, pytest_kernels, pytest_versions
from course_utils.authoring.notebook_files import damage

pytest_plugins = ["pytester"]

# nbval's kernels inherit these: nothing is recorded, the embedded digits are used.
# `COURSE_SEED=3 make test` tests the course under another seed.
os.environ["COURSE_PROGRESS_FILE"] = ""
os.environ.setdefault("COURSE_SEED", "0")
os.environ.setdefault("COURSE_DATA", "embedded")
# A deprecated call of a lesson or of the helpers is an error, in every kernel.
os.environ["COURSE_STRICT"] = "1"
# Neither a cluster's launcher nor changed defaults decide what a test finds.
for name in os.environ.keys() - environment.for_kernel(os.environ).keys():
    del os.environ[name]
# Nor does the user's profile of IPython. IPython writes into this one to the very end.
profile = tempfile.TemporaryDirectory(prefix="course-ipython-")
atexit.register(profile.cleanup)
os.environ["IPYTHONDIR"] = profile.name


def pytest_configure(config: pytest.Config) -> None:
    """Start kernels by the setting, hold notebooks against budgets, note versions."""
    pytest_kernels.register(config)
    pytest_budgets.register(config)
    pytest_versions.register(config)


def pytest_collection_finish() -> None:
    """Freeze imported objects, so that the garbage collector skips them."""
    gc.collect()
    gc.freeze()


class DamagedNotebook(pytest.File):
    """A notebook that nbval cannot read: its error is a sentence, not a traceback."""

    def collect(self) -> Iterator[pytest.Item]:
        """Raise the error."""
        name = f"{self.path.parent.name}/{self.path.name}"
        raise self.CollectError(f"{name} {damage(self.path)}.")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Iterator[list[pytest.Collector]]:
    """Collect a damaged notebook as such."""
    collectors = yield
    if collectors and file_path.suffix == ".ipynb" and damage(file_path):
        return [DamagedNotebook.from_parent(parent, path=file_path)]
    return collectors
