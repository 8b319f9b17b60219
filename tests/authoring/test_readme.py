from pathlib import Path

import pytest

from course_utils import syllabus
from course_utils.authoring import readme

ROOT = Path(__file__).parents[2]
TEXTS = {file: (ROOT / file).read_text("utf-8") for file in readme.FILES}
PARTS = readme.parts(ROOT)


@pytest.mark.parametrize("file", readme.FILES)
def test_generated_parts_are_in_step(file):
    assert readme.fill(TEXTS[file], PARTS) == TEXTS[file], "run `make sync`"


@pytest.mark.parametrize("part", PARTS)
def test_each_generated_part_has_one_place_and_a_change_there_is_noticed(part):
    [text] = [each for each in TEXTS.values() if f"<!-- {part}:start -->\n" in each]
    damaged = text.replace(PARTS[part], f"{PARTS[part]}?")
    assert damaged != text
    assert readme.fill(damaged, PARTS) == text


def test_picture_is_the_one_in_the_notebook():
    png, _ = readme.picture(ROOT)
    assert (ROOT / readme.PICTURE).read_bytes() == png, "run `make sync`"


def test_table_links_written_lessons_only():
    rows = readme.lesson_table().splitlines()[2:]
    lessons = syllabus.load().lessons
    assert len(rows) == len(lessons)
    for row, lesson in zip(rows, lessons, strict=True):
        assert (f"notebooks/{lesson.file}.ipynb" in row) is lesson.ready
        assert ("in preparation" in row) is not lesson.ready


def test_every_relative_link_leads_somewhere():
    for file, text in TEXTS.items():
        targets = [part.split(")")[0] for part in text.split("](")[1:]]
        # GitHub's own pages of the repository begin with ../../
        local = [
            t.split("#")[0] for t in targets if not t.startswith(("http", "../../"))
        ]
        here = (ROOT / file).parent
        missing = [target for target in local if not (here / target).exists()]
        assert not missing, file


def test_a_missing_picture_is_one_sentence(monkeypatch):
    monkeypatch.setattr(readme, "PICTURED", ("12_common_pitfalls", "No such title"))
    with pytest.raises(LookupError, match="Expected a figure titled 'No such title'"):
        readme.picture(ROOT)
