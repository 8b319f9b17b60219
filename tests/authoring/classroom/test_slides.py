"""A deck follows its lesson, and asks the network for nothing."""

import importlib.util
import re
import shutil
import subprocess

import pytest

from course_utils import syllabus
from course_utils.authoring.classroom import slides, write_slides
from course_utils.authoring.classroom.deck import deck
from course_utils.authoring.classroom.slides import to_html

LESSONS = syllabus.load().lessons
# To render a deck takes a second or two: one with each kind of slide, then the rest.
RENDERED = [
    pytest.param(
        lesson, id=lesson.id, marks=[] if lesson.id == "13" else [pytest.mark.slow]
    )
    for lesson in LESSONS
]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
REVEAL = importlib.util.find_spec("sphinx_revealjs")
RESOURCE = re.compile(r'<(?:script|link|img|iframe)[^>]*?(?:src|href)="([^"]+)"')


def kinds(lesson):
    cells = deck(lesson).cells
    return [(c.metadata["slideshow"]["slide_type"], c.source) for c in cells]


def test_a_practice_asks_before_it_shows_and_answers_after_the_figure():
    titles = [
        source.splitlines()[0]
        for kind, source in kinds(syllabus.load().lesson("12"))
        if kind != "notes"
    ]
    assert titles[1:9] == [
        "## 12.1 Return the loss",
        "## Predict",
        "### Bad",
        "## Without `return`, the loss stays at ln 10, the loss of guessing",
        "## The answer is b: as much as with `return loss`",
        "## Why",
        "## Your turn",
        "## 12.2 Sync metrics across processes",
    ]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda each: each.id)
def test_a_deck_shows_every_practice_and_ends_with_a_question(lesson):
    found = kinds(lesson)
    shown = [source for kind, source in found if kind == "slide"]
    assert shown[0].startswith("# ")
    assert shown[-1].endswith("?")
    for practice in lesson.practices:
        assert any(s.startswith(f"## {practice.id} {practice.title}") for s in shown)
    answers = [s for _, s in found if s.startswith("## The answer is")]
    assert len(answers) == len(lesson.practices)


def test_the_capstone_has_its_prediction_and_four_rounds():
    found = [source for _, source in kinds(syllabus.load().lesson("14"))]
    assert sum(source.startswith("## Round ") for source in found) == 4
    assert sum("- **c** " in source for source in found) == 1


def test_the_lesson_on_own_code_has_its_prediction_and_steps_without_code():
    found = [source for _, source in kinds(syllabus.load().lesson("15"))]
    steps = [source for source in found if source.startswith("## Step ")]
    assert [each[:10] for each in steps] == [f"## Step {n} " for n in range(2, 7)]
    assert not [each for each in steps if "```" in each]
    assert sum("- **c** " in source for source in found) == 1


@pytest.mark.parametrize("lesson", RENDERED)
def test_a_page_reads_only_what_lies_beside_it(lesson):
    page = to_html(lesson)
    asked = {each for each in RESOURCE.findall(page) if not each.startswith("data:")}
    beside = {f"reveal/{file.rpartition('/')[2]}" for file in slides.CARRIED}
    assert asked == beside - {"reveal/LICENSE"} | {"reveal/course.css"}
    assert not re.search(r"@import|url\(|import\(|fetch\(", page)
    assert not re.search(r'<img(?![^>]*alt="[^"]{20})', page)
    assert page.count("<section") == page.count("</section>") > 2


# Shows every slide at once and puts their heights into the title.
MEASURE = """<script>window.addEventListener("load", () => setTimeout(() => {
  const show = (e) => { e.style.cssText = "display:block!important;height:auto";
                        e.removeAttribute("hidden"); };
  const slides = [...document.querySelectorAll(".slides > section > section")];
  document.querySelectorAll(".slides section").forEach(show);
  document.title = slides.map((e) => e.scrollHeight).join(" ");
}, 1000));</script></body>"""


@pytest.mark.slow
@pytest.mark.skipif(not (REVEAL and CHROMIUM), reason="no browser, or no reveal.js")
def test_no_slide_is_higher_than_the_screen(tmp_path):
    write_slides(tmp_path)
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom")
    for lesson in LESSONS:
        page = tmp_path / "slides" / f"{lesson.id}.html"
        page.write_text(page.read_text("utf-8").replace("</body>", MEASURE), "utf-8")
        command = [CHROMIUM, *options, "--virtual-time-budget=5000", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        heights = re.search(r"<title>([\d ]+)</title>", done.stdout)[1].split()
        assert len(heights) >= 8
        assert max(map(int, heights)) <= 720, f"lesson {lesson.id}: {heights}"


def test_without_a_copy_of_reveal_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install sphinx-revealjs"):
        write_slides(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not REVEAL, reason="no copy of reveal.js is installed")
def test_decks_are_written_with_reveal_and_its_license(tmp_path):
    write_slides(tmp_path)
    written = {path.name for path in (tmp_path / "slides").iterdir()}
    decks = {f"{lesson.id}.html" for lesson in LESSONS}
    assert written == decks | {"sheet.html", "reveal"}
    carried = tmp_path / "slides" / "reveal"
    assert "Hakim El Hattab" in (carried / "LICENSE").read_text("utf-8")
    for name in ("reveal.js", "reveal.css", "reset.css", "notes.js", "course.css"):
        text = (carried / name).read_text("utf-8")
        assert not re.search(r"@import|url\(['\"]?http", text)
