import re

import pytest
from evidence_samples import claim, outcome, run

from course_utils import syllabus
from course_utils.authoring.evidence import page as page_module
from course_utils.authoring.evidence.page import _DATA, page
from course_utils.experiments.claims import GUARD_HELD


def _row(text, start):
    [line] = [line for line in text.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_claim_is_a_row_with_every_data_set():
    runs = [run(seed, 0.75 + seed) for seed in range(3)]
    runs += [run(0, 0.625, data="fashion-mnist")]
    text = page(runs)
    assert _row(text, "| practice | claim |") == [
        *("practice", "claim", "bound", "embedded (3)", "fashion-mnist (1)"),
        *("margin", "held"),
    ]
    assert _row(text, "| 1.1 | large") == [
        *("1.1", "large", "≥ 0.500", "0.750 / 1.750 / 2.750", "0.625"),
        *("20 %", "4/4"),
    ]
    assert "Practices: 1. Claims: 1. Every claim held in every run." in text


def test_a_contrast_is_a_row_with_its_paired_difference():
    text = page([run(seed, 1.0 + seed, bad=2.0) for seed in range(7)])
    assert _row(text, "| 1.1 | accuracy") == [
        *("1.1", "accuracy", "2", "6", "4 (1 to 7)", "7/7"),
    ]


def test_a_broken_claim_is_marked_and_listed():
    text = page([run(0, 0.75), run(1, 0.25)])
    assert _row(text, "| 1.1 | large")[-1] == "1/2 **broken**"
    assert "Not every claim held in every run." in text
    assert "Broken:\n\n- 1.1 large\n" in text


def test_a_claim_that_one_data_set_never_made_is_broken():
    runs = [run(0, 0.75), outcome(data="fashion-mnist")]
    assert _row(page(runs), "| 1.1 | large")[-1] == "1/2 **broken**"
    assert "Not every claim" in page(runs)


def test_a_run_that_failed_is_told():
    text = page([run(0, 0.75), run(1, 0.75, failure="Cell 3 of 9 raised.")])
    assert "- lesson 01, embedded, seed 1: Cell 3 of 9 raised." in text
    assert "Not every claim held" in text


@pytest.mark.parametrize(("gain", "listed"), [(0.6, True), (0.7, False)])
def test_a_thin_margin_is_listed_though_the_claim_holds(gain, listed):
    text = page([run(0, gain)])
    assert ("- 1.1 large" in text) == listed
    assert ("thin" in _row(text, "| 1.1 | large")[4]) == listed


def test_lesson_00_is_no_practice_and_its_claims_are_told_apart():
    text = page([run(0, 0.75, practice="0.1", lesson="00"), run(0, 0.75)])
    assert "Practices: 1. Claims: 1, and 1 of the start page's example." in text


def test_the_overview_counts_runs_and_claims():
    runs = [run(seed, 0.75, seconds=1800.0) for seed in (0, 1, 2)]
    runs += [run(0, 0.25, data="fashion-mnist:all")]
    text = page(runs)
    assert _row(text, "| embedded | ") == [
        *("embedded", _DATA["embedded"]),
        *("seeds 0 to 2", "1", "3", "3 of 3", "1.5"),
    ]
    assert _row(text, "| fashion-mnist, all") == [
        *("fashion-mnist, all", _DATA["fashion-mnist, all"]),
        *("seed 0", "1", "1", "0 of 1", "0.0"),
    ]


def test_a_bar_in_a_sentence_does_not_make_a_column():
    text = page([outcome(claim(1, text="a | b"))])
    assert "| 1.1 | a \\| b |" in text


def test_every_lesson_that_was_run_can_be_linked_to():
    runs = [run(0, 1, lesson=each.id) for each in syllabus.load().lessons[:3]]
    found = re.findall(r'<a id="(lesson-\d\d)"></a>', page(runs))
    assert found == ["lesson-00", "lesson-01", "lesson-02"]


def test_the_page_leads_with_what_each_habit_costs():
    runs = [run(seed, 1.0 + seed, bad=2.0) for seed in range(7)]
    runs += [run(0, 3.0, bad=2.0, data="fashion-mnist")]
    text = page(runs)
    assert _row(text, "| [1.1](#lesson-01) ") == [
        "[1.1](#lesson-01) Separate research from engineering",
        *("large", "accuracy: 2, 6", "4 (1 to 7)", "7/7", "3, 1/1"),
    ]
    assert text.index("| [1.1](#lesson-01) ") < text.index("## Lesson 01")


def test_a_guard_that_held_is_told_in_one_sentence():
    runs = [outcome(claim(1, text=GUARD_HELD)) for _ in range(2)]
    text = page(runs)
    assert "The guard to take along (1.1) stopped the bad version" in text
    assert "in all 2 runs" in text
    assert GUARD_HELD not in text
    assert f"| 1.1 | {GUARD_HELD} |" in page(
        [outcome(claim(0, text=GUARD_HELD, holds=False))]
    )


def test_a_thin_margin_is_explained(monkeypatch):
    monkeypatch.setattr(page_module, "thin_reasons", lambda: {"1.1 large": "So it is."})
    assert "- 1.1 large. *So it is.*" in page([run(0, 0.6)])
