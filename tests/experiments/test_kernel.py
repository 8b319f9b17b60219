import os
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

import course_utils
from course_utils import hardware, settings, syllabus
from course_utils.experiments import kernel

TITLE = syllabus.load().lesson("12").title
FIRST = rf"Lesson 12, {TITLE}, on the (CPU|GPU) of (this machine|Binder|Colab)\."


def fresh(code: str) -> subprocess.CompletedProcess:
    """Run code in a fresh interpreter, as a kernel that has imported nothing yet."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=200,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


TINY_TRAINING = """
import logging, warnings, lightning as L, torch
from torch.utils.data import DataLoader
from course_utils.hardware import quiet_trainer

class Tiny(L.LightningModule):
    def __init__(self, forgets=False):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.forgets = forgets
    def training_step(self, batch, batch_idx):
        loss = self.layer(batch).mean()
        self.log("loss", loss)
        if not self.forgets:
            return loss
    def validation_step(self, batch, batch_idx):
        self.log("val", self.layer(batch).mean())
    test_step = validation_step
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

loader = DataLoader(torch.ones(8, 2), batch_size=2, shuffle=True)
L.seed_everything(0, verbose=False)
for options in ({}, {"accumulate_grad_batches": 3}, {"precision": "16-mixed"},
                {"deterministic": True}, {"detect_anomaly": True}):
    options = quiet_trainer(**{"accelerator": "cpu", **options})
    trainer = L.Trainer(max_epochs=2, **options)
    trainer.fit(Tiny(), loader, loader)
    trainer.validate(Tiny(), loader, verbose=False)
    trainer.test(Tiny(), loader, verbose=False)
L.Trainer(max_epochs=1, **quiet_trainer()).fit(Tiny(forgets=True), loader)
L.Trainer(fast_dev_run=True, **quiet_trainer()).fit(Tiny(), loader)
assert not STARTED or torch.get_num_threads() == 1
"""
START = """
import course_utils
course_utils.start("12", written_for="0.1")
"""


@pytest.fixture(scope="module")
def training() -> subprocess.CompletedProcess:
    return fresh(START + TINY_TRAINING.replace("STARTED", "True"))


@pytest.mark.slow
def test_after_the_start_training_is_silent(training):
    assert training.returncode == 0, training.stderr
    assert training.stderr == ""
    first, second = training.stdout.splitlines()
    assert re.fullmatch(FIRST, first)
    assert second


@pytest.mark.slow
def test_without_the_start_training_is_not_silent():
    once = TINY_TRAINING.replace("STARTED", "False").replace("in ({},", "in [{}] or (")
    loud = fresh(once)
    assert loud.returncode == 0
    assert loud.stderr != ""


@pytest.mark.parametrize(
    ("imported", "before", "expected"),
    [
        (False, None, "1"),
        (False, "2", "2"),
        (True, None, None),  # too late for torch, and others keep their own
    ],
)
def test_one_thread_is_requested_before_torch_is_imported(
    monkeypatch, imported, before, expected
):
    monkeypatch.setenv("OMP_NUM_THREADS", before or "")
    if before is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    if not imported:
        monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(kernel, "start", lambda *_: None)
    course_utils.start("12", written_for="0.1")
    assert os.environ.get("OMP_NUM_THREADS") == expected
    if not imported:
        monkeypatch.undo()


DEPRECATED = """
import warnings
for module in ("__main__", "course_utils.measure.timing", "mainframe", "torch.nn"):
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        try:
            warnings.warn_explicit("old", category, "file.py", 1, module=module)
        except category:
            print("refused", module, category.__name__)
warnings.warn("unrelated", UserWarning)
from lightning.pytorch.utilities.rank_zero import rank_zero_deprecation
try:
    rank_zero_deprecation("old")
except DeprecationWarning as error:
    print("refused", type(error).__name__)
"""


@pytest.mark.slow
@pytest.mark.parametrize("strict", [True, False])
def test_the_courses_own_deprecated_calls_are_errors_in_its_tests(monkeypatch, strict):
    monkeypatch.setenv("COURSE_STRICT", "1" if strict else "")
    found = fresh(START + DEPRECATED)
    assert found.returncode == 0, found.stderr
    ours = ("__main__", "course_utils.measure.timing")
    kinds = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
    refused = [f"refused {module} {kind}" for module in ours for kind in kinds]
    refused.append("refused LightningDeprecationWarning")
    assert found.stdout.splitlines()[2:] == (refused if strict else [])


def test_the_tests_are_strict_and_see_the_whole_package():
    assert settings.strict()
    with pytest.raises(DeprecationWarning):
        warnings.warn_explicit(
            "old",
            DeprecationWarning,
            "file.py",
            1,
            module="course_utils.measure.timing",
        )


@pytest.mark.slow
def test_a_deprecated_call_in_a_cell_turns_its_notebook_red(pytester):
    start = 'import course_utils\ncourse_utils.start("12", written_for="0.1")'
    call = "import threading\n_ = threading.currentThread()  # since Python 3.10"
    cells = [
        v4.new_code_cell(start, metadata={"tags": ["nbval-ignore-output"]}),
        v4.new_code_cell(call),
    ]
    nbformat.write(v4.new_notebook(cells=cells), pytester.path / "old.ipynb")
    result = pytester.runpytest_subprocess("--nbval", "--nbval-current-env")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*DeprecationWarning*: currentThread() is*"])


@pytest.fixture
def started(monkeypatch, capsys):
    """Start a lesson without changing this process; return the lines it printed."""
    monkeypatch.setattr(kernel, "_silence", lambda: None)
    monkeypatch.setattr(kernel.torch, "set_num_threads", lambda _: None)

    def start(lesson="12", written_for="0.1"):
        kernel.start(lesson, written_for)
        return capsys.readouterr().out.splitlines()

    return start


def test_a_lesson_prints_its_title_and_its_data(started, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "embedded")
    first, second = started()
    assert re.fullmatch(FIRST, first)
    assert "MNIST" in second


@pytest.mark.parametrize("version", ["0.1.0", "0.1.7"])
def test_a_patch_of_the_helpers_is_no_mismatch(started, monkeypatch, version):
    monkeypatch.setattr(kernel, "__version__", version)
    assert len(started(written_for="0.1")) == 2


@pytest.mark.parametrize("version", ["0.2.0", "1.1.0", "0.10.0"])
def test_helpers_of_another_version_say_so_in_one_sentence(
    started, monkeypatch, version
):
    monkeypatch.setattr(kernel, "__version__", version)
    assert started(written_for="0.1")[2:] == [
        f"This notebook was written for course helpers 0.1, but {version} is "
        "installed. Download both in the same version."
    ]


def test_the_notebooks_were_written_for_these_helpers():
    minor = course_utils.__version__.rpartition(".")[0]
    root = Path(__file__).parents[2]
    files = [*root.glob("notebooks/*.py"), *root.glob("solutions/*.py")]
    found = [re.findall(r'written_for="(.*?)"', f.read_text("utf-8")) for f in files]
    assert found == [[minor]] * 2 * len(syllabus.load().ready)


def test_an_unknown_lesson_is_refused_before_anything_is_printed(started, capsys):
    with pytest.raises(
        ValueError, match="Expected a lesson from 00 to 15 but got '77'"
    ):
        started("77")
    assert capsys.readouterr().out == ""


def test_an_unknown_data_set_is_refused(started, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "letters")
    with pytest.raises(ValueError, match="letters"):
        started()


FIT = """
import lightning as L, torch
print(L.Trainer(accelerator="cpu", devices=1, logger=False).world_size)
torch.save({"x": print}, "x.pt")
try:
    torch.load("x.pt")
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, []),
        (
            {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "x", "RANK": "a"},
            ["Ignored, since they change a lesson's runs: RANK, SLURM_*."],
        ),
        (
            {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "MPLBACKEND": "nonsense"},
            [
                "MPLBACKEND=nonsense is ignored: Matplotlib has no such backend.",
                "Ignored, since they change a lesson's runs: "
                "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD.",
            ],
        ),
        ({"COURSE_DEVICE": "cpu"}, []),
    ],
)
def test_a_lesson_starts_as_on_a_plain_machine_and_says_once_what_it_ignores(
    monkeypatch, tmp_path, variables, said
):
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    started = fresh(START + START + FIT)
    assert started.returncode == 0, started.stderr
    lines = started.stdout.splitlines()
    assert lines[2:] == [*said, *lines[:2], "1", "UnpicklingError"]


def test_a_gpu_that_cannot_compute_is_named_and_hidden(started, monkeypatch):
    hidden = []
    monkeypatch.setattr(hardware, "why_no_gpu", lambda: "The GPU is not used: X.")
    monkeypatch.setattr(hardware, "hide_gpu", lambda: hidden.append(True))
    first, _, third = started()
    assert "on the CPU of" in first
    assert third == "The GPU is not used: X."
    assert hidden == [True]
