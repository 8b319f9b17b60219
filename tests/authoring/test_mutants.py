"""Planted mistakes: which are made, and what is reported of them."""

import dataclasses
import sys

import pytest

from course_utils.authoring import mutants
from course_utils.authoring.mutants import Mutant, Report
from course_utils.exercises import cells

SOLUTIONS = {practice: each.solution for practice, each in cells.load().items()}
PLANTED = {
    "drop a statement": ("x.append(1)", "f: x.append(1) -> pass"),
    "drop a statement: with": ("with a:\n    b()", "f: with a:; b() -> b()"),
    "swap an operator": ("return a + b", "f: return a + b -> return a - b"),
    "swap an operator: <": ("return a < b", "f: return a < b -> return a <= b"),
    "swap an operator: and": ("return a and b", "f: return a and b -> return a or b"),
    "swap an operator: +=": ("a += b", "f: a += b -> a -= b"),
    "swap an operator: text": ("mode('min')", "f: mode('min') -> mode('max')"),
    "off by one": ("return a[3]", "f: return a[3] -> return a[4]"),
    "change a constant": ("return 0.5 * a", "f: return 0.5 * a -> return 1.0 * a"),
    "negate a condition": ("if a:\n    b()", "f: if a: -> if not a:"),
    "negate a condition: flag": ("g(a=True)", "f: g(a=True) -> g(a=False)"),
    "wrong mode": ("a.eval()", "f: a.eval() -> a.train()"),
    "wrong mode: name": ("a.train_set", "f: a.train_set -> a.val_set"),
    "wrong mode: text": ("log('val/acc')", "f: log('val/acc') -> log('train/acc')"),
    "first batch only": ("for b in c:\n    d(b)", "f: -> break"),
    "first batch only: step": ("batch_idx", "f: -> if batch_idx > 0:; return None"),
    "remove an argument": ("g(a, dim=1)", "f: g(a, dim=1) -> g(a)"),
    "drop a call": ("return a.clone()", "f: return a.clone() -> return a"),
    "return early": ("a()\nb()\nc()", "f: -> return"),
}


@pytest.mark.parametrize(("kind", "case"), PLANTED.items(), ids=PLANTED)
def test_each_kind_of_mistake_is_planted(kind, case):
    body, change = case
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    made = mutants.mutants("1.1", f"def f(self, batch_idx):\n{lines}")
    assert (kind.split(":")[0], change) in [(each.kind, each.change) for each in made]


def test_nothing_is_planted_that_the_learner_would_see_at_once():
    source = "def train(model):\n    '''Doc.'''\n    x = model\n    return x"
    changes = [each.change for each in mutants.mutants("1.1", source)]
    assert changes == ["train: return x -> pass"]


@pytest.mark.parametrize(("practice", "solution"), SOLUTIONS.items(), ids=SOLUTIONS)
def test_a_solution_has_three_mutants_or_more_and_always_the_same(practice, solution):
    made = mutants.mutants(practice, solution)
    assert len(made) >= 3
    assert made == mutants.mutants(practice, solution)
    assert len({each.source for each in made} | {solution}) == len(made) + 1


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="mutants are named by `ast.unparse` from 3.11 on"
)
def test_what_is_explained_is_planted_and_has_a_reason():
    made = {
        (practice, each.change)
        for practice, solution in SOLUTIONS.items()
        for each in mutants.mutants(practice, solution)
    }
    assert set(mutants.explained()) - made == set()
    assert all(reason.endswith(".") for reason in mutants.explained().values())


@pytest.fixture
def report(monkeypatch):
    """A report on three mutants: one noticed, one explained, one not run at all."""
    monkeypatch.setattr(mutants, "explained", lambda: {("1.1", "b"): "Open."})
    planted = [Mutant("1.1", "off by one", change, "") for change in "abc"]
    statuses = ["incorrect", "correct", "no answer"]
    return Report("1.1", "correct", list(zip(planted, statuses, strict=True)))


def test_a_survivor_that_is_explained_is_no_fault(report):
    assert report.ok
    assert str(report) == "1.1: 2 mutants, 1 noticed, 0 unexplained"


@pytest.mark.parametrize("status", ["correct", "cannot be checked"])
def test_a_survivor_without_a_reason_is_a_fault(report, status):
    (mutant, _), *others = report.statuses
    found = dataclasses.replace(report, statuses=[(mutant, status), *others])
    assert not found.ok
    assert str(found).splitlines()[1:] == [f"    {status}, off by one: a"]


def test_a_reason_for_what_is_noticed_is_a_fault(report):
    found = dataclasses.replace(report, statuses=report.statuses[:1])
    assert not found.ok
    assert str(found).splitlines()[1:] == ["    explained in vain: b"]


def test_a_solution_that_is_not_correct_is_a_fault(report):
    found = dataclasses.replace(report, solution="incorrect")
    assert not found.ok
    assert str(found).splitlines()[1:] == ["    the solution itself: incorrect"]


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("1 / 0", "no answer"),
        ("def top_labels(logits, k):\n    return logits", "incorrect"),
        (SOLUTIONS["11.2"], "correct"),
    ],
)
def test_an_answer_is_judged_as_in_a_notebook(source, status):
    assert mutants.status("11.2", source) == status


@pytest.mark.slow
def test_the_mutants_of_two_exercises_are_judged_in_other_processes(monkeypatch):
    first, second = mutants.run(("2.2", "11.2"))
    assert (first.ok, second.ok) == (True, True)
    monkeypatch.setattr(mutants, "explained", dict)
    assert [mutant.change for mutant, _ in first.survivors] == [
        "forward: return images + self.amount * noise -> "
        "return images - self.amount * noise"
    ]
    assert "11.2: 4 mutants, 3 noticed, 1 unexplained" in str(second)


@pytest.mark.parametrize(("last", "code"), [("correct", 0), ("incorrect", 1)])
def test_the_command_returns_1_if_anything_is_left_to_do(
    monkeypatch, capsys, last, code
):
    asked = []

    def run(practices):
        asked.extend(practices)
        return [Report(p, "correct", []) for p in practices[:-1]] + [
            Report(practices[-1], last, [])
        ]

    monkeypatch.setattr(mutants, "run", run)
    monkeypatch.setattr(mutants, "explained", dict)
    assert mutants.main(["--lessons", "12", "00"]) == code
    assert asked == ["12.1", "12.2", "12.3", "12.4", "12.5", "0.1"]
    assert "12.1: 0 mutants, 0 noticed, 0 unexplained" in capsys.readouterr().out
