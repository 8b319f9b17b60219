"""Who starts kernels in this way: `course lab`, and what executes a notebook."""

import runpy
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from traitlets.config import Config

from course_utils import ready_kernel
from course_utils.authoring.evidence import execute_task
from course_utils.authoring.evidence.tasks import Task
from course_utils.authoring.execute import execute_notebook
from course_utils.cli import lab
from course_utils.ready_kernel import server

SETTINGS = lab.SETTINGS / "jupyter_server_config.py"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setattr(ready_kernel, "is_installed", lambda: True)


def new_notebook(code):
    return v4.new_notebook(cells=[v4.new_code_cell(code)])


def printed(notebook):
    return notebook.cells[0].outputs[0].text.strip()


SAY = "import sys; print('torch' in sys.modules)"


@pytest.mark.parametrize("kernel", ["ready", "ordinary"])
def test_a_notebook_is_executed_as_the_setting_says(tmp_path, monkeypatch, kernel):
    monkeypatch.setenv("COURSE_KERNEL", kernel)
    run = execute_notebook(new_notebook(SAY), tmp_path)
    assert run.ok, run.failure
    assert printed(run.notebook) == str(kernel == "ready")


def test_one_execution_may_differ_from_the_setting(tmp_path):
    variables = {"COURSE_KERNEL": "ordinary"}
    run = execute_notebook(new_notebook(SAY), tmp_path, environment=variables)
    assert printed(run.notebook) == "False"


def test_where_jupyter_does_not_know_it_kernels_start_as_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(ready_kernel, "is_installed", lambda: False)
    monkeypatch.setattr(server, "prepare", lambda *_: pytest.fail("it was asked"))
    run = execute_notebook(new_notebook("print(1)"), tmp_path)
    assert printed(run.notebook) == "1"
    assert ready_kernel.begin() is None


def test_a_server_can_wait_for_the_imports():
    assert ready_kernel.begin(wait=True) > 0


def test_runs_and_evidence_use_it(monkeypatch):
    code = "import sys; assert 'torch' in sys.modules"
    text = nbformat.writes(new_notebook(code))
    assert execute_task.execute_task(Task("05", 0), text).failure == ""
    monkeypatch.setenv("COURSE_KERNEL", "ordinary")
    assert "AssertionError" in execute_task.execute_task(Task("05", 0), text).failure


@pytest.mark.parametrize("known", [True, False])
def test_a_server_uses_it_only_where_its_environment_has_it(monkeypatch, known):
    monkeypatch.setattr(metadata, "entry_points", lambda **_: ["it"] if known else [])
    config = Config()
    runpy.run_path(str(SETTINGS), {"c": config})
    chosen = config.KernelProvisionerFactory.get("default_provisioner_name")
    assert chosen == (ready_kernel.NAME if known else None)


def test_the_package_names_what_jupyter_calls():
    project = Path(__file__).parents[2] / "pyproject.toml"
    line = f'{ready_kernel.NAME} = "course_utils.ready_kernel.provisioner:'
    assert line in project.read_text("utf-8")
