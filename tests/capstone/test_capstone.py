"""The learner's script: copied, loaded, judged; and what the learner gets to see."""

import html
import json
from dataclasses import replace

import pytest
from capstone_script import ORIGINAL, edited, examined, small, written

from course_utils import capstone, syllabus
from course_utils.capstone import observed_run, runs, scoring, script
from course_utils.capstone.examine import examine
from course_utils.capstone.symptoms import SYMPTOMS
from course_utils.checks.learner_code import LearnerError

TRAIN = "    data = data or make_data(seed)\n    model"


@pytest.fixture
def board():
    """Judge the small script beside itself."""
    first = examined(small())
    return lambda *suspects: scoring.judge(first, first, suspects)


def refusal(source, capsys):
    assert capstone.scoreboard(written(source)) is None
    return capsys.readouterr().out.strip()


def test_a_copy_is_made_once_and_never_overwritten(tmp_path, capsys):
    path = capstone.copy_script(tmp_path / "new")
    assert path.read_text("utf-8") == ORIGINAL
    first = capsys.readouterr().out
    path.write_text("# mine\n", encoding="utf-8")
    assert capstone.copy_script(tmp_path / "new") == path
    assert path.read_text("utf-8") == "# mine\n"
    again = capsys.readouterr().out
    assert again.startswith(first)
    assert "differs" in again
    assert "differs" not in first


def test_the_script_is_read_again_each_time(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"{ORIGINAL}\nNUMBER = 1\n", encoding="utf-8")
    assert capstone.load(path).NUMBER == 1
    path.write_text(f"{ORIGINAL}\nNUMBER = 2\n", encoding="utf-8")
    assert capstone.load(path).NUMBER == 2


@pytest.mark.slow
def test_an_unchanged_script_is_not_run_again(monkeypatch):
    known = examined(small())
    monkeypatch.setattr(runs, "observe_train", None)
    assert examine(written(small())) is known


@pytest.mark.slow
def test_a_script_that_was_run_is_examined_without_another_full_run(monkeypatch):
    path = written(small() + "\n# run first\n")
    assert capstone.run(path) is not None
    full = []

    def observe_train(train, spy, *args, **options):
        full.append(spy.saved is not None)
        return observed_run.observe_train(train, spy, *args, **options)

    monkeypatch.setattr(runs, "observe_train", observe_train)
    assert examine(path).findings
    assert full
    assert not any(full)


def test_a_frozen_part_stays_in_evaluation_mode_through_the_examination():
    mean = "        self.mean = torch.tensor(0.5)\n"
    step = "        self.mean = 0.9 * self.mean"
    source = edited(
        small(),
        (mean, f"{mean}        self.frozen = nn.BatchNorm1d(3).eval()\n"),
        (step, f"        assert not self.frozen.training\n{step}"),
    )
    model = capstone.run(written(source)).model
    found = examine(written(source))
    assert len(found.rates) == 4 * runs.BATCHES  # no step met a thawed part
    assert not any("raised" in finding.seen for finding in found.findings.values())
    assert model.training
    assert not model.frozen.training


def test_a_missing_script_is_one_sentence(tmp_path, capsys):
    assert capstone.scoreboard(tmp_path / "none.py") is None
    said = capsys.readouterr().out
    assert "could not read it; copy_script() puts a fresh copy there" in said


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("def train(folder,", "def train(folder"), "not valid Python yet: line 1"),
        (("class DigitSet(Dataset)", "class DigitSet(Datset)"), "NameError: name 'Dat"),
        (("def evaluate(", "def measure("), "has no evaluate; its first lines say"),
        (("    return Result(", "    return (("), "valid Python yet"),
        (("    return Result(", "    return dict(), ("), "but model is missing"),
    ],
    ids=["syntax", "import", "name", "bracket", "result"],
)
def test_a_script_that_cannot_be_judged_is_one_sentence(edit, words, capsys):
    said = refusal(edited(small(), edit), capsys)
    assert words in said
    assert "\n" not in said


def test_a_script_without_a_trainer_is_one_sentence(capsys):
    fit = '    trainer.fit(model, data)\n    data.setup("validate")\n'
    source = edited(small(), (fit, "    data.setup()\n"))
    assert "before any Trainer had finished an epoch" in refusal(source, capsys)


def test_an_error_in_the_script_names_its_line(capsys):
    source = edited(small(), (TRAIN, f"    data.missing\n{TRAIN}"))
    line = source.splitlines().index("    data.missing") + 1
    said = refusal(source, capsys)
    assert said.startswith("train raised AttributeError: ")
    assert f"(line {line}, in train)" in said


def test_a_script_that_runs_for_ever_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(observed_run, "SECONDS", 1.0)
    said = refusal(
        edited(small(), (TRAIN, f"    while True:\n        pass\n{TRAIN}")), capsys
    )
    assert said.startswith("train was still running after 1 seconds; look for a loop")
    assert "\n" not in said


def test_leaving_python_is_one_sentence(capsys):
    said = refusal(edited(small(), (TRAIN, f"    raise SystemExit\n{TRAIN}")), capsys)
    assert said == "train left Python with `exit`; return instead."


def test_every_trainer_is_left_alone_afterwards():
    import lightning as L

    before = L.Trainer.__init__
    with pytest.raises(LearnerError):
        examined(edited(small(), (TRAIN, f"    data.missing\n{TRAIN}")))
    assert L.Trainer.__init__ is before


def test_practices_are_hidden_until_they_are_found(board):
    untouched = board()
    assert untouched.with_state("left") == tuple(s.practice for s in SYMPTOMS)
    assert all(row.cells[3] == "?" for row in untouched.rows)
    titles = [syllabus.load().practice(s.practice).title for s in SYMPTOMS]
    assert not any(title in str(untouched) for title in titles)
    found = board("4.4", "11.1", "4.4")
    assert found.with_state("found") == ("4.4",)
    assert "4.4 Say when" in str(found)
    assert "4.4 Say when" in found._repr_html_()
    assert found.summary.startswith("16 bad practices: 0 repaired, 1 found")


def test_a_wrong_suspect_gets_an_encouraging_sentence(board):
    assert board("4.4").wrong_suspects_note == ""
    assert board("11.1").wrong_suspects_note.startswith("Not here: 11.1. A good thing")


def test_a_part_shows_its_own_lines(board):
    part = board().only("data")
    assert [row.number for row in part.rows] == [1, 2, 3]
    assert "measured" not in str(part)
    assert part.summary.startswith("3 bad practices")


@pytest.mark.parametrize("shown", [str, scoring.Scoreboard._repr_html_])
def test_hard_mode_shows_what_is_left_without_a_hint_of_the_place(board, shown):
    untouched, hard = board("4.4"), replace(board("4.4"), hard=True)
    for row in untouched.rows:
        assert html.escape(row.seen) in html.escape(html.unescape(shown(hard)))
    lines = [each for each in str(hard).splitlines() if each.startswith("We ")]
    assert lines == sorted(lines)
    assert len(lines) == len(SYMPTOMS)
    assert not any(f"  {part}  " in str(hard) for part in script.PARTS)
    assert "4.4 Say when" in shown(hard)
    assert untouched.summary == hard.summary


def test_hard_mode_leaves_out_what_is_repaired(board):
    row, *others = board().rows
    done = scoring.Scoreboard((replace(row, state="repaired"), *others), (), hard=True)
    assert row.seen not in str(done)
    assert others[0].seen in str(done)
    assert done.summary.startswith("16 bad practices: 1 repaired")


def test_gains_are_found_by_name(board):
    before, after = board().measured("accuracy that it reports")
    assert before == after
    with pytest.raises(ValueError, match="Expected one of accuracy that it reports"):
        board().measured("beauty")


@pytest.mark.slow
def test_a_repair_is_recorded(board, monkeypatch, tmp_path):
    file = tmp_path / "progress.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(file))
    monkeypatch.setattr(script, "ORIGINAL", written(small()))
    capstone.scoreboard(written(small("4.4")))
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert events == [{"event": "repair", "practice": "4.4", "outcome": True}]


def test_every_symptom_has_three_hints(capsys):
    for number, symptom in enumerate(SYMPTOMS, start=1):
        assert len(set(symptom.hints)) == 3
        capstone.hint(number, level=3)
        said = capsys.readouterr().out
        assert said.startswith(f"Line {number}, hint 3 of 3. ")
        assert symptom.hints[2] in said


@pytest.mark.parametrize(("number", "level"), [(0, 1), (17, 1), (1, 4), ("4.4", 1)])
def test_an_unknown_hint_is_one_sentence(number, level, capsys):
    capstone.hint(number, level)
    assert "Expected a line from 1 to 16" in capsys.readouterr().out


def test_each_line_of_the_script_but_head_and_tail_is_in_a_part():
    shown = {line for name in script.PARTS for line in script.part(name).splitlines()}
    code = ORIGINAL[ORIGINAL.index("@dataclass") : ORIGINAL.index("if __name__")]
    assert set(code.rstrip().splitlines()) == shown


def test_a_round_shows_the_code_that_it_asks_about():
    asked_in = {"data": "random_split", "model": "self.log(", "training": "resume"}
    for name, words in {**asked_in, "evaluation": "evaluate(model, data"}.items():
        assert words in script.part(name)
    for words in ("seed_everything", "ModelCheckpoint(", "gradient_clip_val"):
        assert words in script.part("training")
    compile(script.part("data"), "data", "exec")


def test_an_unknown_part_is_an_error():
    with pytest.raises(ValueError, match="Expected a part out of data, model"):
        script.part("music")


@pytest.mark.parametrize("part", ["data", "model", "training", "evaluation"])
def test_a_picture_says_what_was_seen(part, capsys):
    capstone.picture(part, written(small()))
    said = capsys.readouterr().out
    words = {
        "data": "the digits are eaten",
        "model": "Saved and loaded, the model is another one",
        "training": "moves once an epoch",
        "evaluation": "What it reports is not what it ships",
    }
    assert words[part] in said


def test_an_unknown_picture_is_one_sentence(capsys):
    capstone.picture("music")
    assert "Expected a part out of data, model" in capsys.readouterr().out


def test_the_script_trains_on_digits_whatever_data_set_the_lessons_use(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("COURSE_DATA", "cifar10")
    path = capstone.copy_script(tmp_path)
    assert "It trains on digits, whichever images" in capsys.readouterr().out
    data = capstone.load(path).make_data(0)
    data.setup()
    image, label = data.train_set[0]
    assert (tuple(image.shape), int(label) in range(10)) == ((1, 28, 28), True)
    assert observed_run.unseen_digits.__wrapped__()[0].shape == (1000, 1, 28, 28)
    monkeypatch.setenv("COURSE_DATA", "embedded")
    capstone.copy_script(tmp_path)
    assert "It trains on digits" not in capsys.readouterr().out
