"""What a learner meets in JupyterLab: start page, lesson, exercise, progress, copy."""

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from watched_page import MILLISECONDS, barriers, open_page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
WINDOW = {"width": 1280, "height": 900}
LESSON = "12_common_pitfalls"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/\S+token=\w+")
WHOLE_LESSON = 1_200_000  # milliseconds
# A terminal is drawn as a picture; for a screen reader, its text is there as well.
SCREEN_READER = "lab/user-settings/@jupyterlab/terminal-extension"
ANSWER = """class SkipsBrokenBatches(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        """
TIDY = """def tidy_accuracy(model, images, labels):
    modes = {part: part.training for part in model.modules()}
    model.eval()
    with torch.no_grad():
        preds = model(images).argmax(1)
    for part, mode in modes.items():
        part.training = mode
    return (preds == labels).float().mean().item()"""
WRONG = f"{ANSWER}return loss"
RIGHT = f"{ANSWER}return loss if loss.isfinite() else None"


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def course_folder() -> tuple[dict[str, bytes], str]:
    """Return every notebook of the course, and what git says of its folder."""
    git = ["git", "-C", str(ROOT), "status", "--porcelain"]
    said = subprocess.run(git, capture_output=True, text=True).stdout
    return {str(path): path.read_bytes() for path in ROOT.glob("*/*.ipynb")}, said


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    """Start ``course lab`` for somebody new; return the address and their folder."""
    home = tmp_path_factory.mktemp("home")
    own = {"HOME": home, "COURSE_LESSONS": home / "my_lessons"}
    own["COURSE_PROGRESS_FILE"] = home / "progress.jsonl"
    settings = home / ".jupyter" / SCREEN_READER / "plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"screenReaderMode": true}', "utf-8")
    before = course_folder()
    variables = os.environ | {name: str(value) for name, value in own.items()}
    variables.pop("JUPYTER_TOKEN", None)
    start = "from course_utils.cli import app; app()"
    options = ("lab", "--no-browser", "--port", str(_free_port()))
    server = subprocess.Popen(
        [sys.executable, "-c", start, *options],
        cwd=ROOT,
        env=variables,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = []
    for line in server.stderr:
        said.append(line)
        if address := ADDRESS.search(line):
            break
    else:
        pytest.fail("".join(said))
    # It must never wait for somebody to read what it says.
    threading.Thread(target=said.extend, args=(server.stderr,), daemon=True).start()
    yield SimpleNamespace(
        address=address[0],
        lessons=home / "my_lessons",
        course=before,
    )
    server.terminate()
    server.wait(60)


@pytest.fixture(scope="module")
def complaints():
    return []


@pytest.fixture(scope="module")
def page(browser, learner, complaints):
    """Return JupyterLab as it opens."""
    opened = open_page(browser, complaints, viewport=WINDOW)
    opened.goto(learner.address)
    return opened


def expect(locator):
    from playwright.sync_api import expect

    return expect(locator)


def notebook(page, heading: str):
    """Return the notebook with this heading, once its kernel is ready for cells."""
    panel = page.locator(".jp-NotebookPanel:visible")
    expect(panel.get_by_role("heading", name=heading)).to_be_visible()
    # JupyterLab drops cells that are run while it connects to the kernel.
    status = panel.locator(".jp-Notebook-ExecutionIndicator")
    expect(status).to_contain_text("Kernel status: Idle")
    return panel


def cell(panel, text: str):
    """Return the one code cell with this text in it."""
    return panel.locator(".jp-CodeCell").filter(has_text=text)


def is_run(panel, milliseconds: int) -> None:
    """Wait until the notebook's last cell, which may be folded, has an output.

    An error before it ends the run, and the wait.
    """
    last = panel.locator(".jp-CodeCell").last.locator(".jp-OutputArea-output")
    error = panel.locator("[data-mime-type$='error']")
    expect(last.or_(error).first).to_be_attached(timeout=milliseconds)
    assert error.all_inner_texts() == []


def stored(learner, lesson: str):
    return nbformat.read(learner.lessons / f"notebooks/{lesson}.ipynb", 4)


def write(page, text: str) -> None:
    """Replace the text of the cell that is edited, and run it."""
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
    page.keyboard.press("Shift+Enter")


def press_until(page, key: str, is_there) -> None:
    for _ in range(200):
        if is_there():
            return
        page.keyboard.press(key)
    pytest.fail(f"{key} does not lead there.")


def saved(page) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("Control+S")
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)


def choose(page, command: str) -> None:
    """Give a command by its name, as the keyboard can."""
    page.keyboard.press("Control+Shift+C")
    page.keyboard.type(command)
    page.keyboard.press("Enter")


@pytest.fixture(scope="module")
def lesson_12(page, learner):
    """Return lesson 12, opened from the start page and run whole."""
    notebook(page, "Start here")
    page.get_by_role("listitem", name=LESSON).dblclick()
    panel = notebook(page, "Lesson 12")
    started = panel.locator(".jp-InputArea-prompt", has_text=re.compile(r"\[[*\d]"))
    for _ in range(3):  # a menu that opens while the page still loads may do nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_timeout(20_000)
        if started.count():
            break
    is_run(panel, WHOLE_LESSON)
    return panel


def test_the_start_page_opens_first_and_without_an_output(page):
    panel = notebook(page, "Start here")
    assert panel.locator(".jp-OutputArea-output").count() == 0


def test_a_lesson_that_is_run_whole_shows_all_that_it_promises(lesson_12, learner):
    expect(lesson_12.get_by_text("not attempted.")).to_have_count(5)
    expect(lesson_12.get_by_text("The answer is")).to_have_count(5)
    assert lesson_12.locator(".jp-OutputArea img").count() >= 5
    assert lesson_12.locator("[data-mime-type$='stderr']").count() == 0
    cells = stored(learner, LESSON).cells
    folded = ["hide-input" in each.metadata.get("tags", []) for each in cells]
    expect(lesson_12.locator(".jp-InputPlaceholder")).to_have_count(sum(folded))


def test_what_a_lesson_shows_keeps_nobody_from_reading_it(lesson_12, page):
    # JupyterLab shows no alternative text of a figure, so that its words stand below.
    figures = lesson_12.locator(".jp-OutputArea img").count()
    words = lesson_12.get_by_text("This figure in words and numbers")
    expect(words).to_have_count(figures)
    # Nor does it name the boxes of a list to tick.
    jupyterlabs = ("image-alt", "label")
    shown = ".jp-OutputArea, .jp-MarkdownOutput"
    assert barriers(page, shown, allowed=jupyterlabs) == []


def test_a_wrong_answer_a_hint_a_right_answer_and_the_progress(lesson_12, page):
    cell(lesson_12, "class SkipsBrokenBatches").locator(".cm-content").click()
    write(page, WRONG)
    page.keyboard.press("Shift+Enter")
    verdict = cell(lesson_12, 'check("12.1"').locator(".jp-OutputArea")
    expect(verdict).to_contain_text("12.1 incorrect.")
    cell(lesson_12, '# hint("12.1")').locator(".cm-content").click()
    write(page, 'hint("12.1")')
    hint = cell(lesson_12, 'hint("12.1")').locator(".jp-OutputArea")
    expect(hint).to_contain_text("when the loss is finite?")
    cell(lesson_12, "class SkipsBrokenBatches").locator(".cm-content").click()
    write(page, RIGHT)
    page.keyboard.press("Shift+Enter")
    expect(verdict).to_contain_text("12.1 correct.")
    for key in ("Escape", "b", "Enter"):  # a new cell
        page.keyboard.press(key)
    write(page, "!course --version && course status")
    progress = cell(lesson_12, "!course --version").locator(".jp-OutputArea")
    expect(progress).to_contain_text(re.compile(r"course \d+\.\d+"))
    expect(progress).to_contain_text(re.compile(r"12 Common pitfalls +5 +- +1 of 5"))


def test_what_a_learner_does_is_kept_in_the_copy_alone(lesson_12, page, learner):
    saved(page)
    mine = nbformat.writes(stored(learner, LESSON))
    assert "return loss if loss.isfinite() else None" in mine
    assert "12.1 correct." in mine
    assert course_folder() == learner.course


def test_a_terminal_shows_the_progress_and_lays_a_fresh_lesson(
    lesson_12, page, learner
):
    mine = (learner.lessons / f"notebooks/{LESSON}.ipynb").read_bytes()
    choose(page, "New Terminal")
    terminal = page.locator(".jp-Terminal:visible")
    typed = terminal.get_by_role("textbox")
    for command, answer in (
        ("course --version", re.compile(r"course \d+\.\d+")),
        ("course status", re.compile(r"12 Common pitfalls +5 +- +1 of 5")),
        ("course reset 12", f"yours is {LESSON}_old1.ipynb"),
    ):
        # Empty the line before it is typed again: ``sh`` knows no other key for that.
        typed.press("Control+u")
        typed.press_sequentially(command)
        typed.press("Enter")
        expect(terminal).to_contain_text(answer)
    old = learner.lessons / f"notebooks/{LESSON}_old1.ipynb"
    assert old.read_bytes() == mine
    assert not any(each.get("outputs") for each in stored(learner, LESSON).cells)
    page.get_by_role("tab", name=f"{LESSON}.ipynb").click()
    choose(page, "Reload Notebook from Disk")
    expect(lesson_12.get_by_text("12.1 correct.")).to_have_count(0)
    assert course_folder() == learner.course


def test_the_keyboard_alone_is_enough(page, browser, learner, complaints):
    page = open_page(browser, complaints, viewport=WINDOW)
    page.goto(learner.address)
    panel = notebook(page, "Start here")
    active = panel.locator(".jp-Cell.jp-mod-active")
    for found, text in (
        ("prediction = None", 'prediction = "b"'),
        ("def tidy_accuracy", TIDY),
    ):
        press_until(page, "Shift+Enter", lambda it=found: it in active.inner_text())
        page.keyboard.press("Enter")
        write(page, text)
    page.keyboard.press("Shift+Enter")
    verdict = cell(panel, 'check("0.1"').locator(".jp-OutputArea")
    expect(verdict).to_contain_text("0.1 correct.")
    choose(page, "Restart Kernel and Run All Cells")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Enter")
    prompt = cell(panel, 'check("0.1"').locator(".jp-InputArea-prompt")
    expect(prompt).to_have_text("[*]:")
    is_run(panel, MILLISECONDS)
    expect(verdict).to_contain_text("0.1 correct.")
    to_lesson_12 = panel.get_by_role("link", name="Lesson 12")
    page.keyboard.press("Escape")
    in_focus = "link => link == document.activeElement"
    press_until(page, "Tab", lambda: to_lesson_12.evaluate(in_focus))
    page.keyboard.press("Enter")
    opened = page.locator(".jp-NotebookPanel:visible")
    expect(opened.get_by_role("heading", name="Lesson 12")).to_be_visible()


def test_no_error_was_told_and_nothing_left_the_machine(lesson_12, complaints):
    assert complaints == []
