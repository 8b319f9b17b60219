"""No verdict depends on the user's environment."""

import ast
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from learner import assert_correct, exercises, judged

TESTS = Path(__file__).parents[1]
LESSONS = ("0", "2", "4", "9", "12")
LONG = "x" * 140
SLURM = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "spawner", "SLURM_JOB_ID": "7"}
ENVIRONMENTS = {
    "SLURM": SLURM,
    "SLURM, with tasks per node": {**SLURM, "SLURM_NTASKS_PER_NODE": "2"}
    | {"SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0"},
    "torchrun": {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}
    | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1", "TORCHELASTIC_RUN_ID": "x"},
    "LSF": {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "/none", "JSM_NAMESPACE_SIZE": "2"}
    | {"JSM_NAMESPACE_LOCAL_RANK": "1", "JSM_NAMESPACE_RANK": "1"},
    "MPI": {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMI_RANK": "1"},
    "Trainer's defaults": {"PL_TRAINER_MAX_STEPS": "1", "PL_SEED_WORKERS": "1"},
    "torch.load's default": {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"},
    "the other default, no assertions": {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    | {"PYTHONOPTIMIZE": "1"},
    "strict warnings, gloo's checks": {"PYTHONWARNINGS": "error"}
    | {"TORCH_DISTRIBUTED_DEBUG": "DETAIL"},
    "a long TMPDIR": {"TMPDIR": f"{{folder}}/{LONG}"},
    "no TMPDIR, a matplotlibrc": {"TMPDIR": "{folder}/none"}
    | {"MPLCONFIGDIR": "{folder}", "MPLBACKEND": "TkAgg"},
    "the CPU": {"COURSE_DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": ""},
}


def touched(starter: str) -> str:
    """Return the starter with a statement that changes nothing: a wrong answer."""
    tree = ast.parse(starter)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    functions[-1].body.insert(0, ast.parse("_ = 0").body[0])
    return ast.unparse(ast.fix_missing_locations(tree))


def verdicts() -> dict[str, str]:
    """Return what is said of a right and of a wrong answer to some exercises."""
    chosen = [e for e in exercises() if e.practice.split(".")[0] in LESSONS]
    answers = {
        f"{each.practice} {name}": (each.practice, source)
        for each in chosen
        for name, source in (
            ("solution", each.solution),
            ("starter", touched(each.starter)),
        )
    }
    return {name: str(judged(*answer)) for name, answer in answers.items()}


def verdicts_under(variables: dict[str, str]) -> dict[str, str]:
    """Return the verdicts that another process gives."""
    code = "import test_environment as t, json; print(json.dumps(t.verdicts()))"
    path = [str(Path(__file__).parent), str(TESTS), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **variables},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@functools.cache
def plain_verdicts() -> dict[str, str]:
    return verdicts_under({})


@pytest.mark.slow
@pytest.mark.parametrize("variables", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_right_and_wrong_answers_are_judged_as_on_a_plain_machine(variables, tmp_path):
    (tmp_path / LONG).mkdir()
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    here = {name: text.format(folder=tmp_path) for name, text in variables.items()}
    assert verdicts_under(here) == plain_verdicts()
    verdicts = {text.split()[2].strip(".:") for text in plain_verdicts().values()}
    assert verdicts == {"correct", "incorrect"}


def test_a_learner_is_never_blamed_for_a_clusters_variables(monkeypatch):
    for name, value in {**SLURM, "RANK": "1", "PL_TRAINER_MAX_STEPS": "1"}.items():
        monkeypatch.setenv(name, value)
    solutions = {each.practice: each.solution for each in exercises()}
    assert_correct("12.1", solutions["12.1"])
    assert_correct("12.2", solutions["12.2"])  # in two processes
    assert os.environ["SLURM_NTASKS"] == "2"
