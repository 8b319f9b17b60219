"""What a command may do, and what becomes of what it starts."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from course_utils.own_code.limits import run_within


def within(folder, program, *arguments, seconds=120.0, megabytes=500.0):
    command = [sys.executable, "-c", program, *arguments]
    return run_within(folder, command, seconds, megabytes)


def test_of_what_ends_well_nothing_is_said(tmp_path):
    assert within(tmp_path, "print('well')") == ""


@pytest.mark.parametrize(
    ("program", "end"),
    [
        ("raise SystemExit(3)", "3: it said nothing"),
        ("1 / 0", "1: ZeroDivisionError: division by zero"),
        ("print('x' * 10**7); raise SystemExit(2)", "2: " + "x" * 239),
    ],
)
def test_the_end_of_what_was_printed_is_the_reason(program, end, tmp_path):
    assert within(tmp_path, program) == f"its process ended with status {end}"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("while True: pass", "after 1 seconds"),
        ("import time; x = bytearray(2**29); time.sleep(600)", "at 100 megabytes"),
        (
            "import tempfile, time; f = tempfile.NamedTemporaryFile();"
            "f.truncate(2**29); time.sleep(600)",
            "at 100 megabytes of files",
        ),
        ("while True: print('x' * 10**6)", "at 100 megabytes of files"),
    ],
)
def test_a_limit_is_kept(program, why, tmp_path):
    seconds = 1.0 if "seconds" in why else 120.0
    said = within(tmp_path, program, seconds=seconds, megabytes=100.0)
    assert said == f"the run was stopped {why}."


DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open(sys.argv[1], "w") as file:
            file.write(str(os.getpid()))
        time.sleep(3600)
    os._exit(0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="takes a fork")
def test_a_daemon_that_ignores_signals_ends_with_what_started_it(tmp_path):
    assert within(tmp_path, DAEMON, str(tmp_path / "pid")) == ""
    number = int((tmp_path / "pid").read_text())
    for _ in range(50):
        if not psutil.pid_exists(number):
            return
        if psutil.Process(number).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail("the daemon still runs")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="takes SIGTERM")
def test_what_a_check_has_started_ends_with_it():
    asks = ["check", "strangers:Endless", "--data", "strangers:Rows"]
    program = f"from course_utils.cli import app; app({asks})"
    command, here = [sys.executable, "-c", program], Path(__file__).parent
    with subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL) as check:
        itself = psutil.Process(check.pid)
        for _ in range(600):
            if started := itself.children():
                break
            time.sleep(0.1)
        check.terminate()
        assert check.wait(30) == 143
    assert started
    assert not [each for each in started if each.is_running()]
