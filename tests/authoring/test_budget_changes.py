import pytest

from course_utils.authoring.budgets import RunTime, moved

BEFORE = RunTime(1.0, [4.0, 5.0], 1000.0)


def _moved(now, before=BEFORE):
    return moved({"notebooks/12_tiny": before}, {"notebooks/12_tiny": now})


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (
            RunTime(1.0, [4.0, 8.0], 1000.0),
            "10.0 to 13.0 s (+30 %); Cell 1 5.0 to 8.0 s",
        ),
        (
            RunTime(1.0, [1.0, 5.0], 1000.0),
            "10.0 to 7.0 s (-30 %); Cell 0 4.0 to 1.0 s",
        ),
        (RunTime(4.0, [4.0, 5.0], 1000.0), "10.0 to 13.0 s (+30 %)"),
        (
            RunTime(1.0, [7.0, 2.0], 1000.0),
            "Cell 0 4.0 to 7.0 s (+75 %); Cell 1 5.0 to",
        ),
        (RunTime(1.0, [4.0, 5.0], 1060.0), "1000 to 1060 MB (+6 %)"),
        (RunTime(1.0, [4.0, 4.0, 1.0], 1000.0), "2 to 3 cells"),
    ],
)
def test_what_moved_is_told_with_both_numbers(now, line):
    [found] = _moved(now)
    assert found.startswith(f"notebooks/12_tiny: {line}")


@pytest.mark.parametrize(
    "now",
    [
        BEFORE,
        RunTime(1.0, [4.9, 5.9], 1040.0),
        RunTime(2.0, [4.5, 4.2], 960.0),
    ],
)
def test_noise_is_not_told(now):
    assert _moved(now) == []


def test_a_tenth_of_a_second_is_noise_whatever_its_share():
    before = RunTime(0.1, [0.1], 1000.0)
    assert _moved(RunTime(0.5, [0.5], 1000.0), before) == []


def test_a_new_notebook_is_told_and_one_that_did_not_run_is_not():
    lines = moved({"notebooks/01_a": BEFORE}, {"notebooks/02_b": BEFORE})
    assert lines == ["notebooks/02_b: new, 10.0 s, 1000 MB"]


def test_where_kernels_started_otherwise_only_cells_after_the_imports_count():
    now = RunTime(0.2, [0.5, 5.0], 700.0, "ready")
    assert _moved(now) == []
    [found] = _moved(RunTime(0.2, [0.5, 9.0], 700.0, "ready"))
    assert found == (
        "notebooks/12_tiny: 5.0 to 9.0 s (+80 %); Cell 1 5.0 to 9.0 s (+80 %)"
    )
