"""What the user's environment says to Lightning, torch and Python reaches no lesson."""

import multiprocessing.util
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only

from course_utils import environment

SLURM = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "spawner", "SLURM_JOB_ID": "7"}
TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "node-0"}
LSF = {
    "LSB_JOBID": "1",
    "LSB_DJOB_RANKFILE": "/no/such/file",
    "JSM_NAMESPACE_LOCAL_RANK": "1",
    "JSM_NAMESPACE_SIZE": "2",
}


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    """Put back what `isolate` changes for good."""
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    before = dict(os.environ)
    with warnings.catch_warnings():
        yield
    os.environ.clear()
    os.environ.update(before)


def has_isolated(variables: dict[str, str]) -> list[str]:
    """Set variables, isolate this process from them; return what is said."""
    os.environ.update(variables)
    said = environment.isolate()
    assert not set(variables) & set(os.environ)
    return said


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (SLURM, "SLURM_*"),
        (TORCHRUN, "LOCAL_RANK, MASTER_ADDR, RANK, WORLD_SIZE"),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "a"}, "RANK, TORCHELASTIC_*"),
        (LSF, "JSM_*, LSB_*"),
        ({"OMPI_COMM_WORLD_SIZE": "2", "PMI_SIZE": "2"}, "OMPI_*, PMI_*"),
        ({"PL_TRAINER_MAX_STEPS": "1"}, "PL_TRAINER_*"),
        ({"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}, "TORCH_FORCE_WEIGHTS_ONLY_LOAD"),
    ],
)
def test_a_trainer_runs_as_on_a_plain_machine_and_one_line_names_what_is_ignored(
    variables, named
):
    assert has_isolated(variables) == [
        f"Ignored, since they change a lesson's runs: {named}."
    ]
    assert environment.isolate() == []
    trainer = L.Trainer(accelerator="cpu", devices=1, logger=False, max_epochs=3)
    assert (trainer.world_size, trainer.global_rank, trainer.max_steps) == (1, 0, -1)
    assert not SLURMEnvironment.detect()


def test_a_rank_that_lightning_read_at_its_import_is_forgotten():
    rank_zero_only.rank = 1
    environment.isolate()
    assert rank_zero_only.rank == 0


def test_torch_forgets_a_debug_level_that_it_read_at_its_import():
    os.environ["TORCH_DISTRIBUTED_DEBUG"] = "DETAIL"
    torch.distributed.set_debug_level_from_env()
    environment.isolate()
    assert torch.distributed.get_debug_level().name == "OFF"


def test_variables_of_the_course_and_of_other_programs_stay():
    kept = {
        "COURSE_SEED": "3",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "2",
        "RANKING": "x",
        "TORCH_HOME": "/x",
    }
    assert environment.foreign(kept) == []
    assert environment.for_kernel({**kept, **SLURM, "PYTHONSTARTUP": "x.py"}) == kept


def test_a_warning_that_python_was_told_to_raise_is_only_a_warning(monkeypatch):
    monkeypatch.setattr(sys, "warnoptions", ["error"])
    warnings.simplefilter("error")
    environment.isolate()
    warnings.simplefilter("ignore", append=True)
    warnings.warn("of a library", FutureWarning, stacklevel=1)


def test_without_such_an_option_errors_of_the_courses_own_tests_stay():
    warnings.simplefilter("error")
    environment.isolate()
    with pytest.raises(FutureWarning):
        warnings.warn("of our own", FutureWarning, stacklevel=1)


def fresh(code: str, **variables: str) -> list[str]:
    """Return the lines that code prints in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("backend", "said", "kept"),
    [
        ("nonsense", "MPLBACKEND=nonsense is ignored: Matplotlib has no such back", ""),
        ("svg", "", "svg"),
    ],
)
def test_an_unknown_backend_of_matplotlib_does_not_end_the_lesson(backend, said, kept):
    code = (
        "import os; from course_utils import environment as e; print(e.isolate())\n"
        "import matplotlib; print(os.environ.get('MPLBACKEND', ''))"
    )
    first, second = fresh(code, MPLBACKEND=backend)
    assert said in first
    assert second == kept


LOADER = """
import torch
from torch.utils.data import DataLoader
from course_utils import environment

print(environment.isolate())
for how in ("fork", "forkserver", "spawn"):
    loader = DataLoader(torch.arange(4.0), num_workers=1, multiprocessing_context=how)
    print(sum(batch.item() for batch in loader))
"""


def long_folder(parent: Path, bytes: int = 140) -> Path:
    """Return a new folder whose path is as long as that."""
    folder = parent / ("x" * (bytes - len(str(parent)) - 1))
    folder.mkdir()
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="uses every start method")
def test_loader_workers_deliver_under_a_long_tmpdir(tmp_path):
    folder = long_folder(tmp_path)
    assert fresh(LOADER, TMPDIR=str(folder)) == ["[]", "6.0", "6.0", "6.0"]
    assert list(folder.glob("pymp-*")) == []


WHERE = """
import multiprocessing.util, tempfile
from course_utils import environment
print(environment.use_short_sockets())
print(multiprocessing.util.get_temp_dir())
print(tempfile.gettempdir())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize("spare", [0, -1])
def test_sockets_leave_a_folder_as_soon_as_they_do_not_fit(spare):
    longest = environment.longest_folder_for_sockets()
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # pytest's may be too long
        folder = long_folder(Path(short), longest - spare)
        said, sockets, others = fresh(WHERE, TMPDIR=str(folder))
    assert said == ""
    assert sockets.startswith(str(folder)) is (spare == 0)
    assert len(f"{sockets}/listener-12345678".encode()) < 104
    assert others == str(folder)
    assert not Path(sockets).exists()


def test_where_no_short_folder_can_be_written_one_sentence_names_tmpdir(
    tmp_path, monkeypatch
):
    def refuse() -> None:
        raise OSError

    monkeypatch.setattr(environment, "longest_folder_for_sockets", lambda: 3)
    monkeypatch.setattr(multiprocessing.util, "get_temp_dir", refuse)
    said = environment.use_short_sockets()
    assert said.startswith("TMPDIR is too long for sockets, ")
    assert said.endswith("of at most 3 characters and restart the kernel.")


def test_a_tmpdir_that_does_not_exist_is_no_error(tmp_path):
    said, _, others = fresh(WHERE, TMPDIR=str(tmp_path / "none"))
    assert said == ""
    assert Path(others).is_dir()


def test_python_without_docstrings_is_named():
    code = "from course_utils import environment as e; print(*e.isolate())"
    [said] = fresh(code, PYTHONOPTIMIZE="2")
    assert said == "PYTHONOPTIMIZE removes what lessons need: unset it and restart."
