"""Questions that are asked by running a module, in a process of its own."""

import time
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.own_code.landlock import by_the_kernel
from course_utils.own_code.registry import questions, run_practices
from course_utils.own_code.report import Report
from course_utils.own_code.run import ask, left_to_a_person
from course_utils.own_code.settings import Settings
from course_utils.own_code.targets import Target, parse

HERE = Path(__file__).parent
DATA = Settings(data="strangers:Rows", seconds=200.0)
# What each module does, and the one practice that is found in it.
FAULTY = {
    "NamesItsPlace": "2.1",
    "KeepsAMean": "2.3",
    "other_sizes": "3.1",
    "KeepsAPath": "3.2",
    "SavesAPath": "9.3",
    "OneCycle": "4.4",
    "DrawsByItself": "5.1",
    "NotANumber": "6.3",
    "Collects": "7.4",
    "HasAnIdleLayer": "8.3",
    "HasAMaskedLayer": "8.3",
    "LeavesALayerOut": "11.3",
    "Broadcasts": "11.1",
    "ReturnsNothing": "12.1",
    "ChangesItsBatch": "12.5",
    "TurnsBenchmarkOn": "13.2",
    "StepsItself": "1.1",
}
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(HERE)


def asked(name: str, practice: str = "", settings: Settings = DATA) -> Report:
    select = (practice,) if practice else settings.select
    return ask(parse(f"strangers:{name}"), replace(settings, select=select))


def test_what_is_left_to_a_person_is_listed_with_its_reason():
    listed = left_to_a_person(Settings())
    assert [each.practice for each in listed] == ["6.4", "7.1", "7.3", "11.2", "13.1"]
    assert all(each.reason.startswith("left to you: ") for each in listed)
    assert left_to_a_person(Settings(ignore=("*",))) == []


def test_the_practices_that_are_run_are_those_of_the_questions():
    assert set(run_practices()) == {each.practice for each in questions()}


def test_in_a_clean_module_everything_is_asked_and_a_note_is_left():
    report = asked("Clean")
    # Lightning itself does not put a loader back to its place.
    assert [(f.practice, f.severity) for f in report.findings] == [("5.3", "note")]
    assert [each.practice for each in report.unasked] == ["4.4"]
    assert {*report.kept} == {*run_practices()} - {"4.4", "5.3"}


@pytest.mark.parametrize(("name", "practice"), FAULTY.items())
def test_a_fault_is_found_where_it_stands(name, practice):
    report = asked(name, practice)
    [finding] = report.findings
    assert (finding.practice, finding.how) == (practice, "run")
    assert Path(finding.file).name == "strangers.py"
    assert finding.line > 1


def test_all_that_a_checkpoint_holds_of_objects_is_one_finding():
    [finding] = asked("SavesTwoPaths", "9.3").findings
    assert "in `folder`, `folder` is a pathlib." in finding.seen
    assert "; in `more`, " in finding.seen


def test_settings_of_another_class_are_one_finding_about_settings():
    settings = replace(DATA, select=("3.2", "9.3"))
    report = asked("NamesTheKindOfItsSettings", settings=settings)
    [finding] = report.findings
    assert (finding.practice, report.kept) == ("3.2", ["9.3"])
    assert "`hparams_type` is a class" in finding.seen


@pytest.mark.parametrize("batches", [3, 4])
def test_a_loader_that_begins_again_is_found_where_it_is_made(batches):
    [finding] = asked("Clean", "5.3", replace(DATA, batches=batches)).findings
    # Not how many: padded or augmented, a sample has other bytes the next time.
    assert finding.seen.endswith("has other samples than those due.")
    lines = (HERE / "strangers.py").read_text().splitlines()
    assert "def train_dataloader" in lines[finding.line - 1]


@pytest.mark.parametrize(
    ("name", "practices"),
    [
        ("AveragesItsWeights", ("8.3", "11.3")),
        ("HasAnEmptyWeight", ("8.3", "11.3")),
        ("TakesTurns", ("8.3",)),
        ("KnowsWhatItDoes", ("2.3", "2.1")),
        ("LoadsInItsOwnWay", ("3.1",)),
        ("MakesTensorsLikeItsLoss", ("2.1",)),
        ("SkipsItsFirstBatch", ("12.1", "2.1")),
        ("SavesItsMeanInAHook", ("2.3", "3.1")),
        ("TrainsAnotherFirst", ("1.1",)),
        ("HasALazyLayer", ("8.3", "11.3")),
        ("Ranks", ("8.3",)),
        ("TurnsItsBatch", ("2.3", "3.1")),
        ("ComparesWithANumber", ("11.1",)),
        ("ChoosesWhenBuilt", ("2.1",)),
        ("MakesNewTensors", ("2.1",)),
        # Each of its modules has the same layer, also the one on a pretended GPU.
        ("SharesItsDefault", ("1.1", "2.1")),
    ],
)
def test_what_is_meant_is_no_finding(name, practices):
    report = asked(name, settings=replace(DATA, select=practices))
    assert (report.findings, report.unasked) == ([], [])
    assert report.kept == [*practices]


@pytest.mark.parametrize(
    ("data", "practice"),
    [("unseeded_rows", "1.2"), ("ReadsSlowly", "6.5")],
)
def test_a_fault_of_the_data_is_found(data, practice):
    report = asked("Clean", practice, replace(DATA, data=f"strangers:{data}"))
    assert [each.practice for each in report.findings] == [practice]


def test_a_batch_that_lightning_cannot_move_is_found():
    report = asked(
        "ReadsAnObject", "12.3", replace(DATA, data="strangers:wrapped_rows")
    )
    assert "InAnObject" in report.findings[0].seen


def test_the_tensors_of_a_dataclass_are_seen():
    data = replace(DATA, data="strangers:rows_in_a_dataclass")
    settings = replace(data, select=("2.3", "3.1", "12.5"))
    assert asked("ReadsADataclass", settings=settings).kept == ["12.5", "2.3", "3.1"]
    [finding] = asked("ChangesADataclass", "12.5", data).findings
    assert "changed 4 of 4 batches" in finding.seen


def test_a_module_may_ask_its_loader_for_what_its_class_adds():
    data = replace(DATA, data="strangers:Counted")
    assert asked("AsksItsLoader", "6.1", data).kept == ["6.1"]


@pytest.mark.parametrize(
    ("data", "severity", "effect"),
    [
        ("Rows", "note", "see others than were delivered."),
        ("InPlace", "warning", "the data set keeps the change."),
    ],
)
def test_a_changed_batch_is_worse_if_it_is_a_view_of_the_data(data, severity, effect):
    settings = replace(DATA, data=f"strangers:{data}")
    [finding] = asked("ChangesItsBatch", "12.5", settings).findings
    assert finding.severity == severity
    assert finding.seen.endswith(effect)


def test_a_sequence_knows_what_of_it_stays_on_the_cpu():
    data = replace(DATA, data="strangers:Packed")
    assert asked("ReadsSequences", "12.3", data).kept == ["12.3"]


def test_where_batches_are_moved_on_purpose_lightning_is_not_asked():
    [unasked] = asked(
        "Clean", "12.3", replace(DATA, data="strangers:MovesItsRows")
    ).unasked
    assert unasked.reason.startswith("it moves its batches itself")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("other_sizes", "Call `self.save_hyperparameters()`"),
        ("leaves_its_size_out", "Save what `__init__` needs of `hidden`"),
        ("ReadsItsSize", "Look for what `__init__` draws or reads"),
    ],
)
def test_how_to_save_settings_depends_on_those_that_are_saved(name, remedy):
    [finding] = asked(name, "3.1").findings
    assert finding.severity == "error"
    assert finding.remedy.startswith(remedy)


def test_settings_without_which_nothing_loads_are_told():
    [finding] = asked("needs_its_size", "3.1").findings
    assert finding.severity == "note"
    assert "needs `hidden`, `depth`; the checkpoint holds no" in finding.seen
    assert finding.remedy == "Call `self.save_hyperparameters()` in `__init__`."


def test_what_a_schedule_keeps_is_found_where_it_is_made():
    [finding] = asked("PlansWithAPath", "9.3").findings
    lines = (HERE / "strangers.py").read_text().splitlines()
    assert "in `lr_schedulers`, `folder` is a pathlib." in finding.seen
    assert "configure_optimizers" in lines[finding.line - 1]


def test_what_hides_its_tensors_is_told():
    data = replace(DATA, data="strangers:hidden_rows", select=("2.3", "12.5"))
    reasons = [each.reason for each in asked("ReadsAnObject", settings=data).unasked]
    assert len(reasons) == 2
    assert all("no tensor is to be seen in its batch" in each for each in reasons)


def test_a_module_may_ask_of_its_trainer_what_a_trainer_has():
    report = asked("Demanding", settings=replace(DATA, data="strangers:TwoAtOnce"))
    assert [f.practice for f in report.findings] == ["5.3"]
    assert {each.practice for each in report.unasked} == {"4.4", "6.5"}
    assert {*report.kept} == {*run_practices()} - {"4.4", "5.3", "6.5"}
    assert not (HERE / "downloaded.txt").exists()


@pytest.mark.parametrize(
    ("name", "practice", "reason"),
    [
        ("checks_its_size", "3.1", "cannot be loaded as it is"),
        ("needs_a_layer", "3.1", "missing 2 required positional arguments: 'hidden'"),
        (
            "saves_its_size_elsewhere",
            "3.1",
            "positional arguments: 'hidden' and 'depth'",
        ),
        ("is_told_its_size", "3.1", "positional arguments: 'hidden' and 'depth'"),
        ("checks_its_settings", "3.1", "loading needs arguments: net.hidden."),
        ("NeedsToTrain", "2.3", "a step alone, in evaluation mode, cannot be run"),
        ("KnowsItsTensors", "2.1", "a pretended GPU cannot follow the step"),
        ("SkipsEveryBatch", "12.1", "its hooks skip every batch"),
        ("HasNoOptimizer", "12.1", "it has no optimizer."),
        ("HasNoOptimizer", "11.3", "it has no optimizer."),
        ("BeginsWithZeros", "8.3", "no weight changed in these batches"),
        ("CannotBeCopied", "2.3", "takes a copy: Copying the module raised TypeError"),
    ],
)
def test_what_cannot_be_asked_says_why(name, practice, reason):
    report = asked(name, practice)
    assert report.findings == []
    assert reason in report.unasked[0].reason


def test_a_schedule_by_epoch_is_no_finding():
    assert asked("OneCycleByEpoch", "4.4").findings == []


def test_what_needs_arguments_is_told_and_not_skipped():
    [unasked] = asked("Needs").unasked
    assert unasked.practice == ""
    assert "needs hidden, lr" in unasked.reason
    assert unasked.stopped


def test_without_data_each_question_says_what_it_needs():
    report = asked("Clean", settings=Settings(seconds=200.0))
    reasons = {each.practice: each.reason for each in report.unasked}
    assert "--data" in reasons["12.5"]
    assert not report.stopped
    assert report.kept == ["13.2"]


def test_a_module_whose_data_need_a_trainer_asks_for_data():
    report = asked("AsksItsTrainerForData", settings=Settings(seconds=200.0))
    [unasked] = report.unasked
    assert unasked.reason.startswith("name data with --data: Preparing its own data")
    assert "not attached to a `Trainer`" in unasked.reason


def test_a_run_is_stopped_after_its_time():
    report = asked("Endless", "12.5", replace(DATA, seconds=20.0))
    assert "stopped after 20 seconds" in report.unasked[0].reason


def test_a_run_is_stopped_at_its_memory():
    report = asked("Greedy", "12.5", replace(DATA, megabytes=2000.0))
    assert "stopped at 2000 megabytes" in report.unasked[0].reason


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The modules in a folder that they may try to change."""
    for file in HERE.glob("s*.py"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    yield
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["Writes", "Saves", "WritesAtOnce", "Removes"])
def test_no_file_of_the_user_is_changed(name, elsewhere):
    [unasked] = asked(name, "12.5").unasked
    assert "nothing was changed" in unasked.reason


@pytest.mark.skipif(not by_the_kernel(), reason="takes Linux 5.13 with Landlock")
@pytest.mark.parametrize("name", ["WritesInCpp", "StartsAProgram"])
def test_the_kernel_keeps_files_from_what_is_no_python(name, elsewhere):
    report = asked(name, "12.5")
    said = [each.reason for each in report.unasked]
    assert report.kept == ["12.5"] or "Permission denied" in said[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Exits", "left Python with `exit`"),
        ("ExitsAtOnce", "its process ended before it had answered"),
        ("MissesAPackage", "No module named 'a_package_that_is_not_here'"),
        ("Loops", "it was not answered within 24 seconds"),
    ],
)
def test_what_ends_a_run_is_the_reason(name, reason):
    report = asked(name, "12.5", replace(DATA, seconds=60.0))
    assert reason in report.unasked[0].reason
    assert report.stopped == (name != "Loops")


def test_a_fit_that_raises_has_stopped():
    [unasked] = asked("WantsOtherLabels", "12.5").unasked
    assert unasked.reason.startswith("a short fit stopped: Training raised ")
    assert unasked.stopped


def test_a_module_may_go_to_another_folder():
    assert asked("GoesElsewhere", "12.5").kept == ["12.5"]


def test_megabytes_of_text_are_read_by_nobody():
    assert asked("PrintsMegabytes", "12.5").kept == ["12.5"]


def test_a_thread_that_is_left_is_not_waited_for():
    start = time.monotonic()
    assert asked("LeavesAThread", "12.5").kept == ["12.5"]
    assert time.monotonic() - start < DATA.seconds


SCRIPT = """
import lightning as L
from strangers import ChangesItsBatch, Rows

if __name__ == "__main__":
    L.Trainer(max_epochs=100).fit(ChangesItsBatch(), datamodule=Rows())
    raise SystemExit("never reached")
"""


def test_a_trainer_that_asks_for_benchmark_mode_is_no_finding(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=":")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.replace("max_epochs=100", "benchmark=True"))
    assert ask(Target("train.py", script), Settings(select=("13.2",))).kept == ["13.2"]


def test_a_notebook_is_run_up_to_its_fit(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=":")
    cells = [new_code_cell("%matplotlib inline"), new_code_cell(SCRIPT)]
    nbformat.write(new_notebook(cells=cells), tmp_path / "lab.ipynb")
    notebook = Target("lab.ipynb", tmp_path / "lab.ipynb")
    report = ask(notebook, Settings(select=("12.5",)))
    assert [each.practice for each in report.findings] == ["12.5"]


def test_a_script_is_run_up_to_its_fit(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=":")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    report = ask(
        Target("train.py", script), replace(Settings(), select=("12.5", "2.3"))
    )
    assert [each.practice for each in report.findings] == ["12.5"]
    assert "built again" in report.unasked[0].reason
