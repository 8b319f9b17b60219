"""Lesson 15: the stranger's script, its five findings, and the verdict on a repair."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from course_utils import own_code, progress, syllabus
from course_utils.capstone.repairs import repaired
from course_utils.cli import app
from course_utils.own_code.reading import read
from course_utils.own_code.report import Finding, Report, Unasked
from course_utils.own_code.settings import from_table
from course_utils.own_code.tryout import script, verdict
from course_utils.own_code.tryout.script import ORIGINAL, REPAIRS, Ran

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FIRST = ORIGINAL.read_text("utf-8")
MENDED = repaired(FIRST, repairs=REPAIRS)
LESSON = (ROOT / "notebooks/15_your_own_code.py").read_text("utf-8")
CHECKED = {p.id: p.checked for le in syllabus.load().lessons for p in le.practices}
SAID = "5 epochs\nan hour is forecast to within 30 cents"
REASON = "  # course: ignore[12.4] all days are whole"
ANSWERED = 'self.log("val/mean_day", days.mean())' + REASON


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Return a function that judges a script of which only the text is examined."""

    def run_named(targets, settings):
        return Report(kept=["2.1", "12.5"])

    monkeypatch.setattr(verdict, "run_named", run_named)
    monkeypatch.setattr(verdict, "ran", lambda path: Ran(480, {"test/cost": 0.3}, SAID))

    def judge(text: str):
        path = tmp_path / "train_demand.py"
        path.write_text(text, "utf-8")
        return verdict.judge(path)

    return judge


def edited(text: str, *pairs: tuple[str, str]) -> str:
    for before, after in pairs:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def test_reading_finds_three_places_one_of_which_is_no_fault():
    found = [each.practice for each in read([ORIGINAL])[0].findings]
    assert sorted(found) == ["10.1", "12.4", "4.2"]
    assert {p for p in found if CHECKED[p] != "read"} == set()
    assert set(script.FOUND_BY) == set(REPAIRS) == {*verdict.FAULTS, verdict.HARMLESS}


@pytest.mark.parametrize("practice", ["4.2", "10.1", "12.4"])
def test_a_repair_takes_its_finding_away(practice, tmp_path):
    path = tmp_path / "train.py"
    path.write_text(repaired(FIRST, practice, repairs=REPAIRS), "utf-8")
    found = {each.practice for each in read([path])[0].findings}
    assert found == {"4.2", "10.1", "12.4"} - {practice}


@pytest.mark.parametrize("text", [FIRST, f"{FIRST}\n# my note\n"])
def test_the_script_as_it_came_is_not_attempted(quick, text):
    assert quick(text).status == "not attempted"


def test_the_mended_script_is_correct_and_quoted(quick):
    result = quick(MENDED)
    assert result.status == "correct"
    assert result.message.endswith(f"Its last words: {SAID.splitlines()[-1]}")


def test_a_finding_that_is_mended_instead_of_answered_is_correct_too(quick):
    gone = edited(MENDED, (f"        {ANSWERED}\n", ""))
    assert quick(gone).status == "correct"


def test_a_comment_above_the_line_answers_as_well(quick):
    above = edited(MENDED, (ANSWERED, f"{REASON.strip()}\n        {ANSWERED[:37]}"))
    assert quick(above).status == "correct"


TEST = "trainer.test(model, Days(tensors, test), "
WRONG = {
    "one fault is left": (
        MENDED.replace(', ckpt_path="best"', ""),
        "Line 114 of train_demand.py, 10.1: `test(model, ...)` tests the weights in",
    ),
    "a fault is hidden by a comment": (
        edited(
            MENDED,
            (f'{TEST}ckpt_path="best", verbose=False)',
             f"{TEST}verbose=False)  # course: ignore[10.1] the last are good"),
        ),
        "A comment hides a fault that harms this script. Line 114",
    ),
    "all is hidden by comments without brackets": (
        re.sub(r"(self\.log\(.*\)|verbose=False\))$", r"\1  # course: ignore",
               FIRST, flags=re.MULTILINE),
        "A comment hides a fault",
    ),
    "the friend is left": (
        MENDED.replace(REASON, ""),
        "The four faults are gone. Line 85 of train_demand.py is left, 12.4:",
    ),
    "the friend is answered without a reason": (
        MENDED.replace(" all days are whole", ""),
        "Line 85 of train_demand.py does not say why 12.4 may be ignored",
    ),
    "the friend's line ignores everything": (
        MENDED.replace("ignore[12.4] all", "ignore all"),
        "ignores whatever is found there",
    ),
    "a repair brings a new finding": (
        edited(MENDED, ("        return cost\n",
                        "        cost.backward()\n        return cost\n")),
        "Something new is found. Line 76 of train_demand.py, 1.1:",
    ),
    "no Python": (FIRST + "\nif:\n", "is not Python that can be read, line"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_gets_the_next_step(name, quick):
    text, message = WRONG[name]
    result = quick(text)
    assert result.status == "incorrect"
    assert message in result.message


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        (Ran(), "nothing is trained"),
        (Ran(9), "nothing is tested"),
        (Ran(9, {"cost": 3.5}), "to within 350 cents only"),
        (Ran(9, {"cost": float("nan")}), "only; the mended script comes below 100."),
    ],
)
def test_a_script_without_findings_must_train(whole, message, quick, monkeypatch):
    monkeypatch.setattr(verdict, "ran", lambda path: whole)
    result = quick(MENDED)
    assert result.status == "incorrect"
    assert message in result.message


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (Report(unasked=[Unasked("", "It raised X.", "f")]), "running: It raised X."),
        (Report(unasked=[Unasked("2.1", "no batch.")]), "2.1 could not be asked: no"),
        (Report([Finding("12.5", "warning", "f", 71, "Seen.", "Do.", how="run")]),
         "Line 71 of train_demand.py, 12.5: Seen. Do."),
    ],
)  # fmt: skip
def test_what_running_shows_is_told(report, message, quick, monkeypatch):
    monkeypatch.setattr(verdict, "run_named", lambda *_: report)
    result = quick(MENDED)
    assert result.status == "incorrect"
    assert message in result.message


def test_a_missing_script_is_one_sentence(tmp_path):
    result = verdict.judge(tmp_path / "none.py")
    assert result.status == "incorrect"
    assert "Expected your script at" in result.message


def test_a_verdict_is_kept_under_the_lesson(monkeypatch, quick, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(tmp_path / "p.jsonl"))
    quick(FIRST)
    own_code.check_script(tmp_path / "train_demand.py")
    assert not progress.load().exercises
    quick(MENDED)
    own_code.check_script(tmp_path / "train_demand.py")
    assert progress.load().solved("15")


def test_three_hints_then_the_third_again(monkeypatch, capsys):
    monkeypatch.setattr(verdict, "_hints_given", verdict.Counter())
    for _ in range(4):
        own_code.hint("4.2")
    own_code.hint("4.3")
    lines = capsys.readouterr().out.splitlines()
    hints = REPAIRS["4.2"].hints
    assert lines[:4] == [f"Hint {n} of 3. {hints[n - 1]}" for n in (1, 2, 3, 3)]
    assert lines[4].startswith("Expected one of 4.2, 10.1,")
    assert all(len(each.hints) == 3 for each in REPAIRS.values())


def test_every_part_of_the_script_is_shown_and_no_other(capsys):
    for part in script.PARTS:
        own_code.show_script(part)
    assert capsys.readouterr().out
    with pytest.raises(ValueError, match="Expected one of data, model, training but"):
        own_code.show_script("end")


@pytest.mark.slow
def test_a_script_that_fails_or_does_not_end_is_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    with pytest.raises(script.LearnerError, match=r"mine.py raised ZeroDivisionError"):
        script.ran(path)
    monkeypatch.setattr(script, "SECONDS", 1.0)
    path.write_text("while True: pass\n")
    with pytest.raises(script.LearnerError, match="still running after 1 seconds"):
        script.ran(path)


def test_a_script_runs_on_the_cpu_in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(
        "import os\nfrom pathlib import Path\nimport lightning as L\n"
        "Path('left.txt').write_text('x')\n"
        "print(L.Trainer(logger=False).accelerator.__class__.__name__)\n"
        "print(Path.cwd() == Path(__file__).parent)\n"
        "print(os.environ.get('PL_TRAINER_ACCELERATOR'))\n"
    )
    assert script.ran(path).said == "CPUAccelerator\nFalse\ncpu"
    assert [each.name for each in tmp_path.iterdir()] == ["mine.py"]
    assert "PL_TRAINER_ACCELERATOR" not in os.environ


@pytest.mark.slow
def test_the_whole_verdict_on_the_first_and_on_the_mended_script(tmp_path):
    path = tmp_path / "train_demand.py"
    path.write_text(FIRST + "\nmine = 1\n", "utf-8")
    source = verdict.read_source(path)
    report = verdict._examined(source)
    how = {each.practice: each.how for each in report.findings}
    assert how == {
        **{"4.2": "read", "10.1": "read", "12.4": "read"},
        **{"2.1": "run", "12.5": "run"},
    }
    assert script.ran(path).tested["test/cost"] > 2 * verdict.ENOUGH
    own_code.write_solution(path)
    assert verdict.judge(path).status == "correct"


@pytest.mark.slow
@pytest.mark.parametrize(
    "pairs",
    [
        [("self.prices[hour]", "PRICES.to(hour.device)[hour]")],
        [('        self.register_buffer("prices", PRICES, persistent=False)\n', ""),
         ("self.prices[hour]", "torch.tensor(PRICES, device=self.device)[hour]"),
         ("PRICES = torch.tensor([0.2] * 7 + [0.3] * 10 + [0.6] * 4 + [0.2] * 3)",
          "PRICES = [0.2] * 7 + [0.3] * 10 + [0.6] * 4 + [0.2] * 3")],
        [("    rows = rows.clone()\n    rows[:, 0] -= 11\n    rows[:, 0] /= 9\n"
          "    return rows\n",
          "    return torch.stack([(rows[:, 0] - 11) / 9, rows[:, 1]], 1)\n")],
        [('ckpt_path="best"', "ckpt_path=trainer.checkpoint_callback.best_model_path")],
    ],
    ids=["moved in the step", "a list", "a new tensor", "by its path"],
)  # fmt: skip
def test_another_right_answer_is_correct(pairs, tmp_path):
    path = tmp_path / "train_demand.py"
    path.write_text(edited(MENDED, *pairs), "utf-8")
    result = verdict.judge(path)
    assert result.status == "correct", result.message


# What the lesson says.


def fenced(language: str) -> list[str]:
    found = re.findall(r"^# ```(\w*)\n(.*?)^# ```$", LESSON, re.M | re.S)
    return [
        re.sub("^# ?", "", text, flags=re.M) for kind, text in found if kind == language
    ]


def test_the_settings_that_the_lesson_shows_are_settings():
    [text] = fenced("toml")
    table = tomllib.loads(text)["tool"]["course"]
    assert from_table(table).module == "my_package.model:MyModel"


def test_the_hook_that_the_lesson_shows_is_the_hook():
    [text] = fenced("yaml")
    [id_] = re.findall(r"- id: (\S+)", text)
    assert f"- id: {id_}\n" in (ROOT / ".pre-commit-hooks.yaml").read_text("utf-8")


def test_the_commands_that_the_lesson_shows_have_these_options():
    [text] = fenced("")
    said = CliRunner().invoke(app, ["check", "--help"], env={"COLUMNS": "200"}).output
    options = {*re.findall(r"--[a-z]+", text)} | {"--json", "--sarif"}
    assert options == {each for each in options if each in said}


def test_the_fixture_is_the_plugins():
    from course_utils.own_code import pytest_plugin

    [_, text] = fenced("python")
    assert "(lightning_checks)" in text
    assert hasattr(pytest_plugin, "lightning_checks")


def test_as_many_practices_are_left_to_a_person_as_the_lesson_says():
    left = sum(how == "person" for how in CHECKED.values())
    word = {4: "four", 5: "five", 6: "six"}[left]
    assert f"For {word} of the 47 practices neither a rule" in LESSON.replace(
        "\n# ", " "
    )


LESSONS = [each for each in syllabus.load().ready if each.id != "00"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda each: each.id)
def test_each_lesson_ends_with_its_practices_for_the_readers_module(lesson):
    import jupytext

    cells = jupytext.read(ROOT / "notebooks" / f"{lesson.file}.py").cells
    tagged = [c for c in cells if "own-code" in c.metadata.get("tags", [])]
    [cell] = tagged
    code = [each for each in cells if each.cell_type == "code"]
    assert cell is code[-1]
    assert len(cell.source.splitlines()) <= 4
    selected = re.findall(r'select="(.*)"', cell.source)
    assert selected == ([f"{int(lesson.id)}.*"] if lesson.practices else [])


def test_the_last_cell_says_how_to_fill_it_in(capsys):
    from course_utils import check_my

    assert check_my(None, None, select="4.*") is None
    said = capsys.readouterr().out
    assert said.startswith("Nothing is asked yet. In place of None, put your Lightning")
    assert len(said.splitlines()) == 1


def test_a_pattern_that_means_no_practice_is_refused_before_anything_is_asked():
    from course_utils import check_my

    with pytest.raises(ValueError, match="Expected select to name practices"):
        check_my(select="99.*")


def test_a_script_is_asked_by_its_name(tmp_path, monkeypatch):
    from course_utils import check_my
    from course_utils.own_code import kernel

    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(FIRST, "utf-8")
    monkeypatch.setattr(kernel, "run_named", lambda *_: Report(kept=["12.5"]))
    found = check_my("train.py", select="4.*,10.1").report
    assert [each.place for each in found.findings] == ["train.py:78", "train.py:112"]
    assert check_my(Path("train.py"), ignore="4,10,12").report.findings == []
    assert json.dumps(found.to_dict())
    with pytest.raises(TypeError, match="Expected data as text, .* but got list"):
        check_my("train.py", [])
