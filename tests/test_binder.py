"""What Binder runs: the scripts of ``.binder``, here in a terminal instead."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.cli import app, lab

ROOT = Path(__file__).parents[1]
BINDER = ROOT / ".binder"
SCRIPTS = [BINDER / "postBuild", BINDER / "start"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a script as Binder does, with a copy of its own.

    pip is not run: what `python` does is written to a file.
    """
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, does in {
        "python": f"echo python $* >> {tmp_path}/calls",
        "course": f"exec {sys.executable} -c 'from course_utils.cli import app; app()' "
        '"$@"',
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COURSE_LESSONS", str(tmp_path / "lessons"))

    def runs(name: str, *args: str) -> str:
        command = [f".binder/{name}", *args]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return runs


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.name)
def test_a_script_can_be_executed_and_calls_what_exists(script):
    assert os.access(script, os.X_OK)
    assert subprocess.run(["sh", "-n", script]).returncode == 0
    known = {each.callback.__name__ for each in app.registered_commands}
    called = re.findall(r"\bcourse (\w+)", script.read_text("utf-8"))
    assert called
    assert known.issuperset(called)


def test_git_keeps_that_a_script_can_be_executed():
    if not (ROOT / ".git").exists():
        pytest.skip("no clone")
    command = ["git", "ls-files", "--stage", ".binder"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    assert listed.count("100755") == len(SCRIPTS)


def test_binder_installs_what_conda_installs_and_then_the_checkout(run, tmp_path):
    """`-e .` in ``.binder/environment.yml`` would mean the folder ``.binder``."""
    conda = (ROOT / "environment.yml").read_text("utf-8")
    packages, _, rest = conda.partition("  - pip:\n")
    assert rest == "      - -e .\n"
    ours = (BINDER / "environment.yml").read_text("utf-8")
    assert ours.splitlines()[1:] == packages.splitlines()[1:]
    run("postBuild")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["python -m pip install --no-deps --editable ."]


def test_after_the_build_the_learners_copy_is_there(run, tmp_path):
    run("postBuild")
    assert (tmp_path / "lessons/notebooks/00_start_here.ipynb").is_file()


def test_the_server_starts_in_the_copy_with_the_courses_settings(run, tmp_path):
    said = run(
        "start", "sh", "-c", "pwd; echo $JUPYTER_CONFIG_PATH $*", "-", "--port=3"
    )
    folder, settings = said.splitlines()
    assert folder == str(tmp_path / "lessons")
    assert settings == f"{lab.SETTINGS} --port=3"
    assert (tmp_path / "lessons/notebooks/00_start_here.ipynb").is_file()
