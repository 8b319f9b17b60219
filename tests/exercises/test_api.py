"""What check, hint and solution say, whatever the learner hands over."""

import ast
import dataclasses
import os
import random
import re
import threading

import lightning as L
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from learner import (
    IMPORTS,
    answer,
    bound_names,
    cells,
    cells_above,
    classifier,
    exercises,
    global_names,
    imported_names,
    judged,
)

from course_utils import progress, syllabus
from course_utils.authoring.answers import names_above
from course_utils.checks import several_processes
from course_utils.exercises import api, check, hint, solution

PLANNED = [
    (practice.id, f"Practice {practice.id} has no exercise yet.")
    for lesson in syllabus.load().lessons
    for practice in lesson.practices
    if not lesson.ready
][:1]
EXERCISES = {exercise.practice: exercise for exercise in exercises()}
STEP = "def training_step(self, batch, batch_idx):\n    "
each_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


@pytest.fixture
def short(monkeypatch):
    """Make the time limit of every examination 2 seconds."""
    find = api.find

    def impatient(practice):
        return dataclasses.replace(find(practice), seconds=2.0)

    monkeypatch.setattr(api, "find", impatient)


@pytest.fixture
def progress_file(monkeypatch, tmp_path):
    path = tmp_path / "progress.jsonl"
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(path))
    return path


@each_exercise
def test_the_starter_is_not_attempted(exercise):
    assert judged(exercise.practice, exercise.starter).status == "not attempted"


@each_exercise
def test_comments_and_blank_lines_are_no_attempt(exercise):
    head, *rest = exercise.starter.strip().split("\n")
    edited = "\n".join([head, "    # My idea: none yet.", "", *rest, "", "# end"])
    assert judged(exercise.practice, edited).status == "not attempted"


def edited(starter):
    """Return the starter with one more line that does nothing, in its last part."""
    tree = ast.parse(starter)
    part = tree.body[-1]
    extra = "extra = lambda *_: None"
    part.body.insert(1 if ast.get_docstring(part) else 0, ast.parse(extra).body[0])
    return ast.unparse(ast.fix_missing_locations(tree))


@each_exercise
def test_the_starter_is_judged_incorrect_when_it_is_examined(exercise):
    attempt = edited(exercise.starter)
    assert judged(exercise.practice, attempt).status == "incorrect"


@each_exercise
def test_the_printed_solution_is_correct(exercise, capsys):
    solution(exercise.practice)
    printed = capsys.readouterr().out
    assert printed.endswith(f"\n\n{exercise.reason}\n")
    result = judged(exercise.practice, printed.removesuffix(f"{exercise.reason}\n"))
    assert (result.status, result.message) == ("correct", exercise.reason)


@each_exercise
def test_starter_and_solution_use_names_that_the_lesson_has_defined_above(exercise):
    above = set().union(*map(bound_names, cells_above(exercise.practice)))
    for source in (exercise.starter, exercise.solution):
        assert global_names(source) - above == set()


@each_exercise
def test_hints_use_no_import_that_the_lesson_makes_only_later(exercise):
    file = syllabus.load().lesson_of(exercise.practice).file
    anywhere = set().union(*(imported_names(cell.source) for cell in cells(file)))
    above = set().union(*map(bound_names, cells_above(exercise.practice)))
    used = set(re.findall(r"(?<![\w.])\w+(?=\(|\.\w)", " ".join(exercise.hints)))
    assert used & (anywhere | imported_names(IMPORTS)) - above == set()


@each_exercise
def test_three_hints_then_the_third_again(exercise, capsys, monkeypatch):
    monkeypatch.setattr(api, "_hints_given", api.Counter())
    for _ in range(4):
        hint(exercise.practice)
    lines = capsys.readouterr().out.splitlines()
    expected = [f"Hint {n} of 3. {exercise.hints[n - 1]}" for n in (1, 2, 3, 3)]
    assert lines == expected
    assert len(set(exercise.hints)) == 3


@pytest.mark.parametrize("ask", [lambda p: check(p, None), hint, solution])
@pytest.mark.parametrize(
    ("practice", "sentence"),
    [
        ("12.9", "Expected a practice from 0.1 to"),
        ("nonsense", "but got 'nonsense'."),
        *PLANNED,
    ],
)
def test_an_unknown_practice_gets_one_sentence(ask, practice, sentence, capsys):
    ask(practice)
    out = capsys.readouterr().out
    assert sentence in out
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize("practice", [12.1, " 12.1 ", "12.1\n", np.float64(12.1)])
def test_a_practice_may_be_a_number_or_have_blanks_around_it(practice, capsys):
    api._hints_given.clear()
    for spelling in ("12.1", practice):
        hint(spelling)
    assert "Hint 2 of 3." in capsys.readouterr().out
    solution(practice)
    assert EXERCISES["12.1"].reason in capsys.readouterr().out
    check(practice, None)
    assert "12.1 not attempted." in capsys.readouterr().out


def luminance(colour):
    """Return the relative luminance of ``#rrggbb``, as WCAG 2 defines it."""
    levels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]  # none below 0.04
    linear = [
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_verdicts_differ_in_sign_text_and_a_colour_that_any_theme_leaves_readable():
    shown = [api.CheckResult("12.1", status, "") for status in api._LOOKS]
    assert [str(each) for each in shown] == [
        "✓ 12.1 correct.",
        "✗ 12.1 incorrect.",
        "○ 12.1 not attempted.",
        "? 12.1 cannot be checked.",
    ]
    colours = [colour for _, colour in api._LOOKS.values()]
    assert len(set(colours)) == 4
    for each, colour in zip(shown, colours, strict=True):
        # The badge sets both colours, so the contrast is the same on every page.
        assert f"background-color:{colour};color:#ffffff" in each._repr_html_()
        assert str(each) in each._repr_html_()
        assert 1.05 / (luminance(colour) + 0.05) > 4.5


def test_a_message_is_text_not_markup():
    result = api.CheckResult("12.1", "incorrect", "Expected `a < b`\n  but got <b>.")
    assert result._repr_html_().endswith(
        "</strong> Expected <code>a &lt; b</code>\n  but got &lt;b&gt;.</div>"
    )


@pytest.fixture
def shell():
    """A kernel's IPython, with `check` and what the answers to 12.1 need."""
    shell = InteractiveShell.instance()
    shell.user_ns.update(names_above("12.1"), check=check)
    yield shell
    shell.clear_instance()


def run_cells(shell, *sources):
    """Run cells as a learner does and return what the last one displays."""
    for source in sources:
        with capture_output() as captured:
            shell.run_cell(source, store_history=True)
    [shown] = captured.outputs
    return shown.data


FIRST = "class Mine(DigitClassifier):\n    def training_step(self, batch, batch_idx):"
VERSION = FIRST + "\n        return None\n"
CHECK = "check(12.1, Mine)"
OLDER = "This is about an older version of `Mine`: the newest cell that defines it"


def test_check_displays_a_badge_and_the_same_as_text(shell):
    shown = run_cells(shell, VERSION, CHECK)
    assert shown["text/plain"].startswith("✗ 12.1 incorrect. ")
    assert "✗ 12.1 incorrect.</strong>" in shown["text/html"]
    assert OLDER not in shown["text/plain"]


@pytest.mark.parametrize(
    "failing",
    [
        VERSION + "        return (\n",
        VERSION.replace("DigitClassifier", "Missing"),
        "undefined\n" + VERSION.replace("None", "0"),
        VERSION.replace("None", "1") + "    x = undefined\n",
        "%matplotlib nothing\n" + VERSION + "  return 2\n",
    ],
)
def test_check_says_that_it_judges_an_older_version_after_a_cell_that_failed(
    shell, failing
):
    shown = run_cells(shell, VERSION, CHECK, failing, "1 / 0", CHECK)
    assert OLDER in shown["text/plain"]
    assert OLDER not in run_cells(shell, VERSION, CHECK)["text/plain"]


@pytest.mark.parametrize(
    "newest",
    [
        VERSION.replace("None", "0") + "\nundefined",
        "text = '''\n" + VERSION + "'''",
        "def helper(:",
        "Mine.extra = lambda self: 0\nMine.other = undefined",
        "def wraps(version):\n    return type(version.__name__, (version,), {})\n"
        "Mine = wraps(Mine)",
    ],
)
def test_a_failure_elsewhere_makes_no_version_older(shell, newest):
    shown = run_cells(shell, VERSION, newest, CHECK)
    assert OLDER not in shown["text/plain"]


def test_a_version_kept_under_another_name_is_not_called_older(shell):
    kept = [VERSION, "Kept = Mine", VERSION.replace("None", "0")]
    shown = run_cells(shell, *kept, "check(12.1, Kept)")
    assert OLDER not in shown["text/plain"]


ODD_ANSWERS = {
    "an instance": (
        lambda: answer(classifier("x = 1"))(),
        "Expected a LightningModule class but got Answer; hand over the class itself",
    ),
    "a string": (lambda: "SkipsBrokenBatches", "class but got str;"),
    "a number": (lambda: 12, "class but got int;"),
    "another class": (lambda: dict, "Expected a LightningModule class but got type"),
    "arguments": (
        lambda: answer(
            "class A(DigitClassifier):\n    def __init__(self, lr):\n        pass"
        ),
        "__init__ raised TypeError: ",
    ),
}


@pytest.mark.parametrize(("make", "message"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
@pytest.mark.parametrize("practice", ["12.1", "12.2", "12.3", "12.4", "12.5"])
def test_what_is_no_class_to_build_is_named(practice, make, message, capfd):
    check(practice, make())
    out, err = capfd.readouterr()
    assert out.startswith(f"✗ {practice} incorrect. ")
    assert message in out
    assert (len(out.splitlines()), err) == (1, "")


def test_none_is_not_attempted(capsys):
    check("12.1", None)
    assert capsys.readouterr().out.startswith("○ 12.1 not attempted. Change the cell")


@pytest.mark.parametrize("practice", ["12.1", "12.3", "12.5"])
def test_an_error_is_named_with_its_line_and_nothing_else_is_printed(practice, capfd):
    raises = STEP + "print('deep in the step')\n    return {}['missing']"
    base = "Denoiser" if practice == "12.5" else "DigitClassifier"
    check(practice, answer(classifier(raises).replace("DigitClassifier", base)))
    out, err = capfd.readouterr()
    assert "raised KeyError: 'missing' (line 4, in training_step)." in out
    assert len(out.splitlines()) == 1
    # Lightning's own greetings; `course_utils.start` silences them in a lesson.
    assert all(line.startswith("INFO: ") for line in err.splitlines())


@pytest.mark.parametrize("practice", ["12.1", "12.3", "12.5"])
@pytest.mark.parametrize("exit_", ["sys.exit()", "raise SystemExit(3)"])
def test_exit_does_not_end_the_kernel(practice, exit_):
    result = judged(practice, classifier(STEP + exit_))
    assert result.status == "incorrect"
    assert "left Python with `exit`; return instead." in result.message


@pytest.mark.parametrize("practice", ["2.2", "8.1", "9.3"])
def test_a_module_that_is_not_initialized_is_refused(practice):
    source = EXERCISES[practice].solution.replace("super().__init__()", "pass")
    result = judged(practice, source)
    assert result.status == "incorrect"
    assert "`__init__` has to call `super().__init__()` first." in result.message


def test_an_exception_of_no_kind_is_a_verdict_too():
    result = judged("12.1", classifier(STEP + "raise BaseException('odd')"))
    assert (result.status, "odd" in result.message) == ("incorrect", True)


LOOPS = {
    "in training_step": classifier(STEP + "while True: pass"),
    "that swallows": classifier(
        STEP + "while True:\n        try: sum(range(99))\n        except Exception: 0"
    ),
    "in __init__": classifier("x = 1", "while True: pass"),
}


@pytest.mark.parametrize("source", LOOPS.values(), ids=LOOPS)
def test_a_loop_without_end_is_ended(source, short):
    result = judged("12.1", source)
    assert str(result) == (
        "✗ 12.1 incorrect. Your code was still running after 2 seconds; "
        "look for a loop that does not end, or check again on a less busy machine."
    )


def test_a_loop_in_two_processes_is_ended(monkeypatch):
    monkeypatch.setattr(several_processes, "TIMEOUT_SECONDS", 2.0)
    body = """
def validation_step(self, batch, batch_idx):
    while self.trainer.world_size > 1:
        pass
    self.f1(self(batch[0]), batch[1])
    self.log("val_f1", self.f1)
"""
    source = classifier(body, "self.f1 = MulticlassF1Score(num_classes=10)")
    result = judged("12.2", source)
    assert result.status == "incorrect"
    assert "With 2 processes: " in result.message


@pytest.mark.parametrize("practice", ["12.1", "12.3", "12.5"])
def test_an_interrupt_by_the_learner_passes_through(practice):
    source = classifier(STEP + "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        judged(practice, source)


def test_a_fault_of_the_checker_does_not_blame_the_learner():
    def broken(_):
        raise ZeroDivisionError("oops")
        yield

    broken.__code__ = broken.__code__.replace(co_filename=api.__file__)
    exercise = dataclasses.replace(EXERCISES["12.1"], examine=broken)
    result = api.judge(exercise, answer(classifier("x = 1")))
    assert str(result) == (
        "? 12.1 cannot be checked. The checker itself failed with ZeroDivisionError: "
        "oops. This is a fault of the course; please report it."
    )


def _globals() -> list[str]:
    return [
        str(random.getstate()),
        str(np.random.get_state()),
        str(torch.get_rng_state().tolist()),
        str(dict(os.environ)),
        str(torch.is_grad_enabled()),
        str(torch.get_default_dtype()),
        str(torch.get_num_threads()),
        os.getcwd(),
    ]


MEDDLES = """
def training_step(self, batch, batch_idx):
    import os
    os.environ["MEDDLED"] = "1"
    os.chdir("/")
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(5); random.seed(5); np.random.seed(5)
    raise ValueError("meddled")
"""


@pytest.mark.parametrize("practice", ["12.1", "12.3", "12.5"])
def test_global_state_is_the_same_after_a_check(practice):
    before = _globals()
    assert "meddled" in judged(practice, classifier(MEDDLES)).message
    assert _globals() == before


def test_a_thread_that_still_runs_is_told_and_a_patched_trainer_is_put_back():
    over, fit = threading.Event(), L.Trainer.fit
    body = """
def training_step(self, batch, batch_idx):
    import threading
    wait = lambda: OVER.wait(60)
    threading.Thread(target=wait, daemon=True).start()
    L.Trainer.fit = None
    raise ValueError("meddled")
"""
    attempt = answer(classifier(body))
    attempt.training_step.__globals__["OVER"] = over
    told = api.judge(api.find("12.1"), attempt).message
    over.set()
    assert "meddled" in told
    assert told.endswith("your code started still runs; restart the kernel.")
    assert L.Trainer.fit is fit


def test_a_check_is_recorded_and_an_untouched_starter_is_not(progress_file, capsys):
    check("12.5", answer(EXERCISES["12.5"].starter))
    assert not progress_file.exists()
    check("12.5", "no class")
    assert progress.load().exercises == {"12.5": "incorrect"}
    check("12.5", answer(EXERCISES["12.5"].solution))
    assert progress.load().exercises == {"12.5": "correct"}
    assert progress.load().solved("12.5")
    verdicts = [line.split(".")[1] for line in capsys.readouterr().out.splitlines()]
    assert verdicts == ["5 not attempted", "5 incorrect", "5 correct"]


NOTHING_NEW = EXERCISES["7.2"].starter


@pytest.mark.parametrize(
    "source",
    [
        "class Scales:\n    pass\n"
        + NOTHING_NEW.replace("(ConvNet)", "(Scales, ConvNet)"),
        NOTHING_NEW + "\n    @property\n    def size(self):\n        return 4\n",
        NOTHING_NEW + "\n    automatic_optimization = False\n",
    ],
    ids=["a mixin", "a property", "an attribute"],
)
def test_a_class_that_keeps_the_starters_functions_may_be_an_answer(source):
    kept = judged("7.2", NOTHING_NEW)
    assert (kept.status, judged("7.2", source).status) == ("not attempted", "incorrect")
