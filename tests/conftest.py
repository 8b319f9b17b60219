"""Settings of every test session: equal conditions, and the budgets of notebooks."""

import os

import budgets
import pytest

pytest_plugins = ["pytester"]

# nbval's kernels inherit these: nothing is recorded, the embedded digits are used.
# `COURSE_SEED=3 make test` tests the course under another seed.
os.environ["COURSE_PROGRESS_FILE"] = ""
os.environ.setdefault("COURSE_SEED", "0")
os.environ.setdefault("COURSE_DATA", "embedded")


def pytest_configure(config: pytest.Config) -> None:
    budgets.register(config)
