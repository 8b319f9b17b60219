"""What the workflows on GitHub call is there."""

import re
from pathlib import Path

import pytest
import yaml

from course_utils.authoring.site.__main__ import BUILD

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def steps(workflow: Path) -> list[dict]:
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_targets_and_files_that_exist(workflow):
    commands = "\n".join(step.get("run", "") for step in steps(workflow))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"^make ([\w-]+)", commands, re.MULTILINE):
        assert f"\n{target}:" in makefile
    for file in re.findall(r"^(\.ci/\w+)$", commands, re.MULTILINE):
        assert (ROOT / file).is_file()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_has_a_version(workflow):
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", each) for each in used)


def test_the_pages_that_are_published_are_those_that_were_built():
    every = steps(ROOT / ".github/workflows/publish.yml")
    assert {"run": "make site"} in every
    paths = [step["with"]["path"] for step in every if "path" in step.get("with", {})]
    assert paths == [f"{BUILD / 'html'}"]
