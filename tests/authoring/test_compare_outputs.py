"""Which cells of two runs differ, by the one rule."""

from pathlib import Path

import pytest
from nbformat import v4

from course_utils.authoring.compare_outputs import differing_cells, sanitizer

SANITIZE = sanitizer(Path(__file__).parents[1].joinpath("nbval_sanitize.cfg"))


def _run(*printed: str):
    cells = [
        v4.new_code_cell("", outputs=[v4.new_output("stream", text=text)])
        for text in printed
    ]
    return v4.new_notebook(cells=[v4.new_markdown_cell("text"), *cells])


def test_cells_are_counted_from_1_and_measurements_are_not_compared():
    stored = _run("loss 0.5", "steps 8", "yes", "gone")
    fresh = _run("loss 0.7", "steps 9", "yes", "")
    assert differing_cells(stored, fresh, SANITIZE) == (2, 4)
    assert differing_cells(stored, stored, SANITIZE) == ()


def test_runs_of_two_notebooks_cannot_be_compared():
    with pytest.raises(ValueError, match="shorter"):
        differing_cells(_run("a", "b"), _run("a"), SANITIZE)


def test_a_measurement_with_more_digits_moves_the_columns_beside_it():
    narrow = _run("seen     state\nloads in 9.5 ms  left\nno graphs        left")
    wide = _run("seen      state\nloads in 12.5 ms  left\nno graphs         left")
    assert differing_cells(narrow, wide, SANITIZE) == ()
    gone = _run("seen      state\nloads in 12.5 ms  left\nno graphs left")
    assert differing_cells(narrow, gone, SANITIZE) == (1,)
