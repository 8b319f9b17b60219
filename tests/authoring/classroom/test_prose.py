import pytest

from course_utils.authoring.classroom.prose import beginning, plain, prediction

QUESTION = """## 9.9 A title

The situation, with a [link](else.ipynb)
on two lines.

**Predict.** The sum
of both is

- **a** small;
- **b** large: as one
  would think.

Not an option."""


def test_a_prediction_by_hand():
    assert prediction(QUESTION) == (
        "The situation, with a link on two lines.",
        "The sum of both is",
        {"a": "small", "b": "large: as one would think"},
    )


def test_a_lesson_without_a_prediction_is_named():
    with pytest.raises(ValueError, match=r"begins with \*\*Predict"):
        prediction("## 9.9 A title\n\nNothing to predict.")


def test_lists_keep_their_lines():
    assert plain("One\ntwo.\n\n- a\n- b") == "One two.\n\n- a\n- b"


def test_a_long_paragraph_is_cut_between_sentences():
    text = "One two three. (Four five.) Six seven."
    assert beginning(text, words=5) == "One two three. (Four five.)"
    assert beginning("One two three four.", words=2) == "One two three four."
