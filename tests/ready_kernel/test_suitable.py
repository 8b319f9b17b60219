import subprocess
import sys

import pytest

from course_utils import ready_kernel, settings
from course_utils.ready_kernel import server, suitable

COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "kernel-1.json"]
LESSON = {"JPY_SESSION_NAME": "notebooks/05_reproducibility.ipynb"}


def reason(command=COMMAND, any_notebook=False, **options):
    options["env"] = {"COURSE_KERNEL": "ready", **options.get("env", LESSON)}
    try:
        suitable.check(command, options, any_notebook)
    except ValueError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def on_linux_without_a_gpu(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(suitable, "has_gpu", lambda: False)


def test_a_kernel_of_a_lesson_or_its_solutions_may_be_a_fork():
    assert reason() == ""
    assert reason(env={"JPY_SESSION_NAME": "solutions/05_solutions.ipynb"}) == ""
    assert reason(stderr=subprocess.DEVNULL, kernel_id="1", cwd="/") == ""


def test_a_notebook_of_the_learner_starts_as_ever():
    assert reason(env={}) == "no lesson"
    assert reason(env={"JPY_SESSION_NAME": "notebooks/scratch.ipynb"}) == "no lesson"


def test_every_notebook_may_be_one_on_request():
    assert reason(env={}, any_notebook=True) == ""


def test_one_setting_decides(monkeypatch):
    off = {**LESSON, "COURSE_KERNEL": "ordinary"}
    assert reason(env=off) == "the setting"
    assert reason(env=off, any_notebook=True) == "the setting"
    unset = {**LESSON, "COURSE_KERNEL": ""}
    monkeypatch.setattr(settings, "DEFAULT_KERNEL", "ordinary")
    assert reason(env=unset) == "the setting"
    monkeypatch.setattr(settings, "DEFAULT_KERNEL", "ready")
    assert reason(env=unset) == ""


def test_it_needs_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert reason() == "the system"


def test_it_needs_a_machine_without_a_gpu(monkeypatch):
    monkeypatch.setattr(suitable, "has_gpu", lambda: True)
    assert reason() == "a GPU"


@pytest.mark.parametrize("name", ["RANK", "SLURM_NTASKS", "PYTHONSTARTUP"])
def test_what_a_start_or_an_import_reads_is_not_ignored(name):
    assert reason(env={**LESSON, name: "1"}) == "variables that change runs"


@pytest.mark.parametrize(
    "command",
    [
        ["python", *COMMAND[1:]],  # of another environment
        [COMMAND[0], "-Xdev", *COMMAND[1:]],
        [COMMAND[0], "-m", "xpython_launcher", "-f", "kernel-1.json"],
    ],
)
def test_another_command_starts_as_ever(command):
    assert reason(command) == "another command"


@pytest.mark.parametrize(
    "options", [{"stdout": subprocess.PIPE}, {"independent": True}, {"user": "nobody"}]
)
def test_options_that_a_fork_does_not_know_start_as_ever(options):
    assert reason(**options) == "other options"


def test_a_folder_with_settings_of_its_own_starts_as_ever(tmp_path):
    assert reason(env={**LESSON, "PYTHONPATH": "src"}) == "settings in its folder"
    assert reason(env={**LESSON, "PYTHONPATH": "/src"}) == ""
    (tmp_path / "matplotlibrc").touch()
    assert reason(cwd=str(tmp_path)) == "settings in its folder"


def test_a_parent_has_the_variables_that_imports_may_read():
    own = {"COURSE_SEED": "1", "JPY_PARENT_PID": "7", "TERM": "xterm"}
    common = {"HOME": "/home", "MKL_NUM_THREADS": "2", "PYTHONHASHSEED": "0"}
    expected = {**common, "OMP_NUM_THREADS": "1"}
    assert suitable.environment_of_parent({**own, **common}) == expected
    four = {"OMP_NUM_THREADS": "4"}
    assert suitable.environment_of_parent(four) == four


def test_a_device_is_found_by_its_file(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setattr(suitable, "DEVICES", tmp_path)
    assert not suitable.has_gpu()
    (tmp_path / "nvidia0").touch()
    assert suitable.has_gpu()


def test_jupyter_is_told_only_if_it_knows(monkeypatch):
    monkeypatch.setattr(ready_kernel, "is_installed", lambda: False)
    assert ready_kernel.metadata() == {}
    monkeypatch.setattr(ready_kernel, "is_installed", lambda: True)
    assert ready_kernel.metadata()["kernel_provisioner"]["provisioner_name"]


def test_a_new_file_beside_the_notebooks_is_no_other_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    path = {"PYTHONPATH": str(tmp_path)}
    before = [*server._times(path)]
    (tmp_path / "results.json").touch()
    (tmp_path / "__pycache__").mkdir()
    assert [*server._times(path)] == before
    (tmp_path / "torch.py").touch()
    assert [*server._times(path)] != before
    assert [*server._times({})] == [*server._times({"PYTHONPATH": "/no/folder"})]
