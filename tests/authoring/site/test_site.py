"""The whole site, built once: what a reader gets."""

import re

import pytest
import whole_site

from course_utils import syllabus

INNERMOST_FOLD = re.compile("<details(?:(?!<details).)*?</details>", re.DOTALL)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return whole_site.built(tmp_path_factory)


def test_the_site_is_built_without_a_warning_and_without_a_defect(built):
    assert (built / "index.html").is_file()


@pytest.mark.parametrize("lesson", syllabus.load().ready, ids=lambda each: each.file)
def test_a_lesson_shows_no_answer_before_the_reader_asks(built, lesson):
    text = (built / f"notebooks/{lesson.file}.html").read_text("utf-8")
    article = text[text.index("<article") : text.index("</article>")]
    assert "The answer is" in article or not lesson.practices
    while "<details" in article:
        article = INNERMOST_FOLD.sub("", article)
    assert "The answer is" not in article


def test_a_page_has_search_both_colours_and_its_neighbours(built):
    text = (built / "notebooks/12_common_pitfalls.html").read_text("utf-8")
    for part in ('role="search"', "theme-toggle", "13_performance.html"):
        assert part in text
    assert 'class="next-page"' in text
    assert 'class="prev-page"' in text
    found = (built / "searchindex.js").read_text("utf-8")
    assert "notebooks/12_common_pitfalls" in found


def test_a_symptom_leads_to_its_practice(built):
    text = (built / "symptoms.html").read_text("utf-8")
    link = r'href="notebooks/12_common_pitfalls\.html#[\w-]*return-the-loss"'
    assert re.search(link, text)


def test_formulas_need_no_script(built):
    assert "<msqrt>" in (built / "notebooks/10_evaluation.html").read_text("utf-8")


def test_a_screen_reader_is_told_what_a_fold_holds(built):
    text = (built / "notebooks/12_common_pitfalls.html").read_text("utf-8")
    assert "<summary>" in text
    assert "Toggle hidden content" not in text
