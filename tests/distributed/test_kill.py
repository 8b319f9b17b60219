"""A killed run leaves what it had written, and this process keeps running."""

import os
import random
import sys
import time
import warnings
from pathlib import Path

import psutil
import pytest
import torch

from course_utils.distributed import (
    NotKilledError,
    ProcessError,
    ProcessTimeoutError,
    kill_this_process,
    launch,
    run_until_killed,
)
from course_utils.library_messages import collect_messages

METHODS = [
    pytest.param(
        "fork",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="forking needs Linux"),
    ),
    "fresh",
]


@pytest.mark.parametrize("method", METHODS)
def test_files_written_before_the_kill_remain_and_nothing_is_written_after(
    tmp_path, monkeypatch, method
):
    monkeypatch.setattr(launch, "choose_method", lambda: method)

    def work():
        try:
            Path(tmp_path, "before").write_text("here")
            kill_this_process()
        finally:
            Path(tmp_path, "after").write_text("a kill runs no `finally`")

    run_until_killed(work)
    assert [path.name for path in tmp_path.iterdir()] == ["before"]


def test_the_process_is_another_one_and_is_gone_afterwards(tmp_path):
    def work():
        Path(tmp_path, "pid").write_text(str(os.getpid()))
        kill_this_process()

    run_until_killed(work)
    pid = int(Path(tmp_path, "pid").read_text())
    assert pid != os.getpid()
    assert not psutil.pid_exists(pid)


def test_killing_outside_of_a_run_is_refused_so_the_notebook_survives():
    with pytest.raises(RuntimeError, match="pass the run to `run_until_killed`"):
        kill_this_process()


def test_after_a_run_this_process_still_refuses_to_be_killed():
    run_until_killed(kill_this_process)
    with pytest.raises(RuntimeError):
        kill_this_process()


def test_work_that_returns_instead_of_being_killed_is_an_error():
    with pytest.raises(NotKilledError, match="but it ran to completion"):
        run_until_killed(lambda: None)


def test_an_exception_before_the_kill_is_reported():
    def work():
        raise KeyError("no such digit")

    with pytest.raises(ProcessError, match="Rank 0 raised KeyError"):
        run_until_killed(work)


def test_work_that_never_asks_to_be_killed_is_stopped():
    with pytest.raises(ProcessTimeoutError):
        run_until_killed(lambda: time.sleep(60), timeout_seconds=0.5)


def test_environment_and_random_state_stay_as_they_were():
    before = dict(os.environ), random.getstate(), torch.get_rng_state().tolist()
    run_until_killed(kill_this_process)
    assert before == (
        dict(os.environ),
        random.getstate(),
        torch.get_rng_state().tolist(),
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_a_run_said_before_it_was_killed_is_heard(monkeypatch, method):
    monkeypatch.setattr(launch, "choose_method", lambda: method)

    def work():
        warnings.warn("Last words.", stacklevel=1)
        kill_this_process()

    with collect_messages() as messages:
        run_until_killed(work)
    assert [message.text for message in messages] == ["Last words."]
