"""The notes for instructors are about the lessons that are there."""

import re

import pytest

from course_utils import syllabus
from course_utils.authoring.classroom import notes
from course_utils.authoring.classroom.sections import notebook

LESSONS = syllabus.load().lessons
PRACTICES = [practice for lesson in LESSONS for practice in lesson.practices]
TEMPTING = {
    practice: tempting
    for lesson in notes.load().lessons.values()
    for practice, tempting in lesson.practices.items()
}
INVENTED = re.compile(r"most (learners|people|students)|usually answer|\d %", re.I)


def texts():
    for id_, lesson in notes.load().lessons.items():
        yield id_, [lesson.ask, lesson.cut, lesson.close, lesson.answer]
        for practice, each in lesson.practices.items():
            yield practice, [each.because, each.turn]


def test_every_lesson_has_notes_and_a_place_in_the_order():
    ids = [lesson.id for lesson in LESSONS]
    assert list(notes.load().lessons) == ids
    assert sorted(notes.load().order) == ids


def test_every_practice_has_its_note_under_its_lesson():
    for lesson in LESSONS:
        written = list(notes.load().lessons[lesson.id].practices)
        assert written == [practice.id for practice in lesson.practices]


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: each.id)
def test_what_sounds_right_is_a_wrong_option(practice):
    assert TEMPTING[practice.id].sounds in {*practice.options} - {practice.answer}


@pytest.mark.parametrize(("where", "found"), [*texts()], ids=lambda each: each[:4])
def test_notes_are_short_sentences_about_existing_practices(where, found):
    known = {practice.id for practice in PRACTICES}
    for text in found:
        assert text[-1] in ".?", where
        assert len(text.split()) <= 60, where
        assert {*re.findall(r"\b\d{1,2}\.[1-5]\b", text)} <= known, where
        assert not INVENTED.search(text), where


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda each: each.id)
def test_parts_of_a_lesson_that_notes_name_are_in_the_lesson(lesson):
    said = notes.load().lessons[lesson.id]
    text = "\n".join(cell.source for cell in notebook(lesson).cells).lower()
    for part in re.findall(r"(?<!\*)\*([^*]+)\*", said.cut):
        assert part.lower() in text, part
