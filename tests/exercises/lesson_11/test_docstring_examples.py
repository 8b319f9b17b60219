"""Docstrings whose examples pass, fail, and would notice a mistake."""

import doctest

import pytest

from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.lesson_11.docstring_examples import (
    Examples,
    examples_allow,
    examples_notice,
    examples_pass,
    run_examples,
)

MUTANTS = {
    "adds": lambda x, y: x + y,
    "returns the first": lambda x, y: x,
    "returns text": lambda x, y: str(x * y),
}
EVERY = [True, True, True]


def product(doc):
    """Return a function with ``doc`` as its docstring."""

    def times(x, y):
        return x * y

    times.__doc__ = doc
    return times


NOTICED = {  # docstring: which of the three mutants it notices
    "a telling case": (">>> times(3, 4)\n12", EVERY),
    "a test of equality": (">>> times(3, 4) == 12\nTrue", EVERY),
    "two cases": (">>> times(1, 1)\n1\n>>> times(2, 5)\n10", EVERY),
    "in prose": ("Multiply.\n\n    So:\n    >>> times(3, 4)\n    12\n", EVERY),
    "an unlucky case": (">>> times(2, 2)\n4", [False, True, True]),
    "another unlucky case": (">>> times(5, 1)\n5", [True, False, True]),
    "printed": (">>> print(times(3, 4))\n12", [True, True, False]),
    "anything": (">>> times(3, 4) is None\nFalse", [False] * 3),
    "the type": (">>> type(times(3, 4)).__name__\n'int'", [False, False, True]),
    "nothing shown": (">>> _ = times(3, 4)", [False] * 3),
}


@pytest.mark.parametrize(("doc", "noticed"), NOTICED.values(), ids=NOTICED)
def test_examples_notice_what_changes_their_output(doc, noticed):
    function = product(doc)
    assert examples_pass(function).ok
    findings = list(examples_notice(function, MUTANTS))
    assert [finding.ok for finding in findings] == noticed


FAULTS = {
    "no docstring": (None, "The docstring holds no example that runs."),
    "no example": ("Return the product.", "holds no example that runs. Write a call"),
    "all skipped": (">>> times(1, 2)  # doctest: +SKIP\n2", "holds no example"),
    "not true": (
        ">>> times(3, 4)\n11",
        "With your own function `times(3, 4)` gave `12` instead of `11`. Correct",
    ),
    "forgets what is printed": (">>> times(3, 4)", "gave `12` instead of `nothing`"),
    "raises": (
        ">>> times(3)\n3",
        "`times(3)` gave `TypeError: ",
    ),
    "left to chance": (
        ">>> import torch\n>>> int(torch.rand(()) < 0.6)\n1",
        "Now and then `int(torch.rand(()) < 0.6)` gave `0` instead of `1`. Leave",
    ),
}


@pytest.mark.parametrize(("doc", "message"), FAULTS.values(), ids=FAULTS)
def test_examples_that_say_nothing_or_not_the_truth_are_told(doc, message):
    finding = examples_pass(product(doc))
    assert finding.ok is False
    assert message in f"{finding.seen} {finding.remedy}"


def test_an_announced_error_is_an_example_too():
    doc = ">>> times({}, 2)\nTraceback (most recent call last):\nTypeError: ..."
    assert run_examples(product(doc.replace("{}", "None"))).count == 1


def test_a_surviving_version_is_named():
    [finding, *_] = examples_notice(product(">>> times(2, 2)\n4"), MUTANTS)
    assert f"{finding.seen} {finding.remedy}" == (
        "All examples pass with a wrong version that adds. Add a case in which it "
        "answers something else."
    )


def test_an_example_may_be_too_strict_for_another_right_version():
    function = product(">>> times(3, 4)\n12")
    variants = {"adds up": lambda x, y: sum([x] * y), "gives floats": lambda x, y: 12.0}
    good, strict = examples_allow(function, variants)
    assert (good.ok, strict.ok) == (True, False)
    assert strict.seen == (
        "Another right version gives floats. There `times(3, 4)` gave `12.0` instead "
        "of `12`."
    )


def test_a_docstring_that_cannot_be_read_is_the_learners():
    with pytest.raises(LearnerError, match="An example of your docstring raised Value"):
        examples_pass(product(">>>times(3, 4)\n12"))


def test_an_example_that_leaves_python_is_told():
    with pytest.raises(LearnerError, match="left Python with `exit`"):
        examples_pass(product(">>> raise SystemExit"))


def test_a_time_limit_is_not_taken_for_a_failed_example():
    class Limit(BaseException):
        pass

    with pytest.raises(Limit):
        run_examples(product(">>> raise Limit"), Limit=Limit)


def test_counts_agree_with_doctest_itself():
    doc = ">>> times(1, 1)\n1\n>>> times(2, 2)\n5\n>>> times(3, 3)\n9\n"
    function = product(doc)
    runner = doctest.DocTestRunner(verbose=False)
    [test] = doctest.DocTestFinder().find(function, "times", globs={"times": function})
    oracle = runner.run(test, out=lambda _: None)
    ran = run_examples(function)
    assert (ran.count, ran.failed) == (oracle.attempted, oracle.failed) == (3, 1)


def test_a_class_and_its_method_have_examples_of_their_own():
    class Pair:
        """Two numbers.

        >>> Pair().total()
        3
        """

        def total(self):
            """Return 3.

            >>> 1 + 1
            2
            """
            return 3

    assert run_examples(Pair) == Examples(1, 0, "")
    assert run_examples(Pair.total) == Examples(1, 0, "")


def test_running_examples_leaves_no_trace(capsys):
    import torch

    before = torch.get_rng_state()
    run_examples(product(">>> import torch\n>>> _ = torch.rand(3)\n>>> print(1)\n2"))
    assert torch.equal(before, torch.get_rng_state())
    assert capsys.readouterr().out == ""
