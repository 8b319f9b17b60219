"""What a web page's notebook has folded, and what its figures say."""

import base64
import json
from pathlib import PurePosixPath

import pytest
from nbformat import NotebookNode, v4

from course_utils.authoring.site.pages import FIGURES, page
from course_utils.syllabus import Practice

PNG = b"\x89PNG, or so"
PRACTICE = Practice("12.1", "Return the loss", ("a", "b", "c"), "b")


def code(source: str, *tags: str, outputs: tuple = ()) -> NotebookNode:
    metadata = {"tags": [*tags]} if tags else {}
    return v4.new_code_cell(source, metadata=metadata, outputs=[*outputs])


def figure(png: bytes = PNG, **words: str) -> NotebookNode:
    data = {"image/png": base64.b64encode(png).decode(), "text/plain": "a figure"}
    return v4.new_output("display_data", data, metadata={"image/png": words})


def cells(*stored: NotebookNode, practices=(PRACTICE,)) -> list[NotebookNode]:
    return page(v4.new_notebook(cells=[*stored]), practices).notebook.cells


def folded(cell: NotebookNode) -> str:
    """Return what of a cell is folded, by MyST-NB's tag."""
    [tag] = [t for t in cell.metadata.get("tags", ()) if t.startswith("hide-")] or [""]
    return tag


def test_the_stored_notebook_stays_as_it_is():
    stored = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("[record](../src/course_utils/records/evidence.md)"),
            code("prediction = None", "predict"),
            code("contrast()", "contrast", outputs=(figure(alt="It falls"),)),
        ]
    )
    before = json.dumps(stored)
    page(stored, (PRACTICE,))
    assert json.dumps(stored) == before


@pytest.mark.parametrize(
    ("tag", "part"),
    [
        ("setup", "hide-input"),
        ("apparatus", "hide-input"),
        ("contrast", "hide-cell"),
        ("claim", "hide-cell"),
        ("bad", ""),
        ("good", ""),
        ("exercise", ""),
        ("guard", ""),
    ],
)
def test_what_measures_and_what_answers_is_folded(tag, part):
    [cell] = cells(code("x = 1", tag))
    assert folded(cell) == part
    assert tag in cell.metadata["tags"]


def test_folded_code_says_what_it_is_for():
    one, other = cells(
        code("# Trains `Net` twice.\ntrain()", "apparatus"),
        code("train()", "apparatus"),
    )
    assert one.metadata["mystnb"]["code_prompt_show"] == "Trains Net twice."
    assert other.metadata["mystnb"]["code_prompt_show"] == "The code"


def test_each_option_of_a_prediction_opens_to_the_answer():
    question, choices, after = cells(code("prediction = None", "predict"), code("1"))
    assert (question.source, after.source) == ("prediction = None", "1")
    folds = choices.source.split("<details ")[1:]
    assert [fold.count("<summary>I predict <b>") for fold in folds] == [1, 1, 1]
    assert all('name="prediction-12.1"' in fold for fold in folds)
    assert ["not a" in folds[0], "as you predicted" in folds[1]] == [True, True]
    assert all("The answer is b" in fold.split("</summary>")[1] for fold in folds)
    assert not any("The answer" in fold.split("</summary>")[0] for fold in folds)


def test_the_answer_behind_a_question_without_a_contrast_is_folded():
    picture = figure(alt="Less than half")
    question, shown, later = cells(
        code("prediction = None", "predict"),
        code("picture()", outputs=(picture,)),
        code("picture()", outputs=(figure(alt="Another"),)),
        practices=(),
    )
    assert [folded(each) for each in (question, shown, later)] == ["", "hide-cell", ""]


def test_code_behind_a_question_that_shows_nothing_stays_open():
    *_, cell = cells(code("prediction = None", "predict"), code("class Bad: ..."))
    assert folded(cell) == ""


def test_solutions_are_folded_and_their_verdicts_are_not():
    setup, solution, other, verdict = cells(
        code("import course_utils", "setup"),
        code("class Solved: ...", "solution"),
        code("class Another: ..."),
        code('check("12.1", Solved)'),
        practices=None,
    )
    assert folded(setup) == "hide-input"
    assert folded(solution) == folded(other) == "hide-cell"
    assert "solution" in solution.metadata["mystnb"]["code_prompt_show"]
    assert folded(verdict) == ""


def test_a_figure_becomes_a_file_and_keeps_its_words():
    made = page(
        v4.new_notebook(cells=[code("", outputs=(figure(alt='It "falls" <fast>'),))]),
        (),
    )
    [path] = made.figures
    assert made.figures[path] == PNG
    assert path.parent == FIGURES == PurePosixPath("_static/figures")
    [output] = made.notebook.cells[0].outputs
    assert "image/png" not in output.data
    assert f'src="../{path}"' in output.data["text/html"]
    assert 'alt="It &quot;falls&quot; &lt;fast&gt;"' in output.data["text/html"]


def test_several_figures_of_one_cell_have_their_own_words():
    shown = figure(b"one", alt="One"), figure(b"two", alt="Two")
    made = page(v4.new_notebook(cells=[code("", outputs=shown)]), ())
    texts = [each.data["text/html"] for each in made.notebook.cells[0].outputs]
    assert ["One" in texts[0], "Two" in texts[1]] == [True, True]
    assert len(made.figures) == 2


def test_a_figure_without_words_is_refused():
    with pytest.raises(LookupError, match="Expected a text"):
        cells(code("", outputs=(figure(),)))


def test_links_fit_the_place_of_the_page():
    text = (
        "[a](../src/course_utils/records/evidence.md#lesson-12) "
        "[b](../site/symptoms.md) [c](../solutions/12_x.ipynb) [d](13_y.ipynb#13.1-Z)"
    )
    [cell] = cells(v4.new_markdown_cell(text))
    assert cell.source == (
        "[a](project:#lesson-12) "
        "[b](../symptoms.md) [c](../solutions/12_x.ipynb) [d](13_y.ipynb#13.1-Z)"
    )


def test_a_line_stands_below_the_title():
    stored = v4.new_notebook(cells=[v4.new_markdown_cell("# Lesson 12\n\nText")])
    [cell] = page(stored, (), "Run it").notebook.cells
    assert cell.source == "# Lesson 12\n\nRun it\n\nText"
