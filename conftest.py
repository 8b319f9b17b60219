"""Settings of every test session: equal conditions, budgets, record of versions."""

import gc
import os

import pytest

from course_utils.authoring import pytest_budgets, pytest_versions

pytest_plugins = ["pytester"]

# nbval's kernels inherit these: nothing is recorded, the embedded digits are used.
# `COURSE_SEED=3 make test` tests the course under another seed.
os.environ["COURSE_PROGRESS_FILE"] = ""
os.environ.setdefault("COURSE_SEED", "0")
os.environ.setdefault("COURSE_DATA", "embedded")
# A deprecated call of a lesson or of the helpers is an error, in every kernel.
os.environ["COURSE_STRICT"] = "1"


def pytest_configure(config: pytest.Config) -> None:
    """Hold notebooks against their budgets, and note the versions."""
    pytest_budgets.register(config)
    pytest_versions.register(config)


def pytest_collection_finish() -> None:
    """Freeze imported objects, so that the garbage collector skips them."""
    gc.collect()
    gc.freeze()
