"""Whose error is it, and in which line?"""

import contextlib

import pytest
from learner import answer

from course_utils.checks.learner_code import (
    CannotCheck,
    LearnerError,
    learners_code,
    place_in_learners_code,
)


def _error_of(source: str) -> BaseException:
    try:
        answer(source)()
    except Exception as error:
        # As in the desk: frames of this test are not on the way.
        error.__traceback__ = error.__traceback__.tb_next
        return error
    raise AssertionError("it did not raise")


def test_the_line_is_the_learners_though_the_standard_library_raised():
    error = _error_of("def f():\n    x = 1\n    return random.sample([], 3)\n")
    assert place_in_learners_code(error) == " (line 3, in f)"


def test_the_line_is_the_learners_though_torch_raised():
    error = _error_of("def f():\n    return nn.Linear(3, 4)(torch.zeros(2, 5))\n")
    assert place_in_learners_code(error) == " (line 2, in f)"


def test_an_error_without_a_line_of_the_learner_has_no_place():
    assert place_in_learners_code(ValueError("never raised")) == ""


def test_an_error_becomes_one_sentence():
    with pytest.raises(LearnerError) as caught, learners_code("forward"):
        answer("def f():\n    raise ValueError('first\\nsecond')\n")()
    assert str(caught.value).startswith("forward raised ValueError: first (line ")
    assert "second" not in str(caught.value)


def test_an_error_without_a_message_says_so():
    with pytest.raises(LearnerError) as caught, learners_code("forward"):
        raise ValueError
    assert "forward raised ValueError: no message" in str(caught.value)


def test_what_torch_says_of_a_detached_loss_is_translated():
    with pytest.raises(LearnerError) as caught, learners_code("The backward pass"):
        answer("def f():\n    torch.zeros(()).backward()\n")()
    assert "RuntimeError: the loss has no gradient" in str(caught.value)


def test_an_interrupt_that_lightning_turned_into_an_exit_is_an_interrupt():
    def stop():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise SystemExit(1)  # noqa: B904  as Lightning does

    with pytest.raises(KeyboardInterrupt), learners_code("Training"):
        stop()


def test_nothing_the_learner_prints_gets_out(capsys):
    with contextlib.suppress(LearnerError), learners_code("Training"):
        print("out")
        raise ValueError
    assert capsys.readouterr() == ("", "")


def test_a_verdict_of_the_probe_passes():
    with pytest.raises(CannotCheck, match="no device"), learners_code("Training"):
        raise CannotCheck("no device")
