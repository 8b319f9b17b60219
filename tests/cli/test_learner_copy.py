import errno
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from command_line import SMALL, course_says, sentence, write
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import syllabus
from course_utils.cli import copy_place, folder, originals
from course_utils.cli.learner_copy import LearnerCopy, opened

ROOT = Path(__file__).parents[2]
MINE = "# my own words\n"


@pytest.fixture
def here(course, monkeypatch):
    """A small course, with a home folder that is not the user's."""
    monkeypatch.setenv("HOME", str(course / "home"))
    monkeypatch.delenv("COURSE_LESSONS", raising=False)
    return course


def start(course: Path) -> LearnerCopy:
    with opened(course) as copy:
        copy.start()
    return copy


def lesson(course: Path, name: str = "01_tiny") -> Path:
    return course / "my_lessons/notebooks" / f"{name}.ipynb"


def work_in(path: Path) -> bytes:
    """Change a notebook as a learner does, and return its bytes."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = MINE
    nbformat.write(notebook, path)
    return path.read_bytes()


def everything_in(course: Path) -> list[bytes]:
    return [path.read_bytes() for path in (course / "my_lessons").rglob("*.ipynb")]


# What is laid


@pytest.fixture(scope="module")
def real_copy(tmp_path_factory):
    """The real course, copied as `course lab` does it."""
    target = tmp_path_factory.mktemp("lessons")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_LESSONS", str(target))
        start(ROOT)
    return target


LESSONS = [each.file for each in syllabus.load().ready]


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_laid_without_its_answers_and_a_solution_with_them(real_copy, name):
    laid = nbformat.read(real_copy / f"notebooks/{name}.ipynb", as_version=4)
    stored = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)
    assert [c.source for c in laid.cells] == [c.source for c in stored.cells]
    assert [c.metadata for c in laid.cells] == [c.metadata for c in stored.cells]
    code = [cell for cell in laid.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    solution = nbformat.read(real_copy / f"solutions/{name}.ipynb", as_version=4)
    assert any(cell.get("outputs") for cell in solution.cells)


def test_what_jupyterlab_notes_when_a_cell_runs_is_cleared_too(here):
    cell = new_code_cell(
        "1", execution_count=3, metadata={"execution": {"x": "1"}, "tags": ["bad"]}
    )
    nbformat.write(new_notebook(cells=[cell]), "notebooks/01_tiny.ipynb")
    start(here)
    [laid] = nbformat.read(lesson(here), as_version=4).cells
    assert (laid.metadata, laid.execution_count) == ({"tags": ["bad"]}, None)


@pytest.mark.parametrize("part", ["notebooks", "solutions"])
def test_a_copy_is_to_the_byte_what_jupyter_would_save(real_copy, part):
    for path in (real_copy / part).glob("*.ipynb"):
        saved = nbformat.writes(nbformat.read(path, as_version=4))
        assert path.read_text("utf-8") == f"{saved}\n"


def test_its_metadata_is_what_the_kernel_says_when_it_starts(real_copy, monkeypatch):
    from jupyter_client.manager import start_new_kernel

    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        reply = client.kernel_info(reply=True, timeout=60)["content"]
        spec = manager.kernel_spec
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    for path in real_copy.glob("*/*.ipynb"):
        metadata = json.loads(path.read_text("utf-8"))["metadata"]
        assert metadata.pop("title")  # of the course, and kept by JupyterLab
        assert metadata == {
            "language_info": reply["language_info"],
            "kernelspec": {
                "display_name": spec.display_name,
                "language": spec.language,
                "name": "python3",
            },
        }


def test_every_relative_link_of_a_copy_leads_to_a_file(real_copy):
    links = 0
    for path in real_copy.glob("*/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            found = re.findall(r"\]\(([^)#\s]+)[^)]*\)", cell.source)
            targets = [] if cell.cell_type == "code" else found
            for target in (each for each in targets if "://" not in each):
                assert (path.parent / target).is_file(), (path.name, target)
                links += 1
    assert links > 50


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no clone")
def test_git_does_not_see_the_copy():
    command = ["git", "check-ignore", "my_lessons/notebooks/00_start_here.ipynb"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


def test_a_session_changes_no_file_of_the_course(here):
    course = {p: p.read_bytes() for p in here.glob("notebooks/*")}
    start(here)
    work_in(lesson(here))
    start(here)
    assert {p: p.read_bytes() for p in here.glob("notebooks/*")} == course


# What is the learner's stays


def test_a_second_start_changes_nothing_and_lays_what_was_deleted(here):
    start(here)
    mine = work_in(lesson(here))
    lesson(here, "00_tiny").unlink()
    other = lesson(here).with_name("plan.part")
    other.write_text(MINE)
    os.utime(other, (1, 1))
    start(here)
    assert lesson(here).read_bytes() == mine
    assert lesson(here, "00_tiny").exists()
    assert other.exists()
    state = here / "my_lessons/.course/state.json"
    before = state.stat().st_mtime_ns
    start(here)
    assert state.stat().st_mtime_ns == before


def test_an_untouched_copy_gets_the_metadata_of_a_new_python(here, monkeypatch):
    monkeypatch.setattr(originals, "_kernel", lambda: {"language_info": {"v": 1}})
    start(here)
    mine = work_in(lesson(here))
    monkeypatch.setattr(originals, "_kernel", lambda: {"language_info": {"v": 2}})
    start(here)
    laid = json.loads(lesson(here, "00_tiny").read_text("utf-8"))
    assert laid["metadata"]["language_info"] == {"v": 2}
    assert lesson(here).read_bytes() == mine
    assert "all of this version" in course_says("update").stdout


def test_reset_keeps_what_was_there_under_a_new_name_each_time(here):
    start(here)
    fresh = lesson(here).read_bytes()
    kept = []
    for number in (1, 2):
        mine = work_in(lesson(here)) + b"\n" * number
        lesson(here).write_bytes(mine)
        result = course_says("reset", "1")
        kept.append(mine)
        assert f"is as new; yours is 01_tiny_old{number}.ipynb" in result.stdout
        assert lesson(here).read_bytes() == fresh
    olds = [lesson(here, f"01_tiny_old{number}").read_bytes() for number in (1, 2)]
    assert olds == kept


def test_reset_of_what_was_not_changed_keeps_nothing(here):
    start(here)
    assert "01_tiny.ipynb is as new. " in course_says("reset", "1").stdout
    assert not list(lesson(here).parent.glob("*old*"))
    assert "but got '9'" in sentence(course_says("reset", "9"), 2)
    assert "The course has no notebooks/02_tiny" in sentence(
        course_says("reset", "2"), 2
    )


def test_an_update_replaces_what_is_untouched_and_lays_the_rest_beside(here):
    start(here)
    mine = work_in(lesson(here))
    write("00_tiny", "'new 00'")
    write("01_tiny", "'new 01'")
    said = start(here).start()
    assert said == ["notebooks/00_tiny.ipynb", "notebooks/01_tiny.ipynb"]
    assert "new 00" not in lesson(here, "00_tiny").read_text("utf-8")  # only offered
    result = course_says("update")
    [line] = result.stdout.splitlines()
    assert "replaced what you had not changed: notebooks/00_tiny.ipynb and kept" in line
    assert line.endswith("beside it: notebooks/01_tiny_new1.ipynb.")
    assert "new 00" in lesson(here, "00_tiny").read_text("utf-8")
    assert "new 01" in lesson(here, "01_tiny_new1").read_text("utf-8")
    assert lesson(here).read_bytes() == mine
    assert "all of this version of the course." in course_says("update").stdout
    assert not list(lesson(here).parent.glob("*new2*"))


def test_new_outputs_alone_are_no_new_version(here):
    start(here)
    path = Path("notebooks/01_tiny.ipynb")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="measured")]
    nbformat.write(notebook, path)
    assert start(here).start() == []


def test_a_lost_state_makes_every_changed_file_the_learners(here):
    start(here)
    mine = work_in(lesson(here))
    for damaged in ("", "[]", '{"laid": {"notebooks/01_tiny.ipynb": 3}}'):
        Path("my_lessons/.course/state.json").write_text(damaged)
        assert "all of this version" in course_says("update").stdout
        assert lesson(here).read_bytes() == mine


def test_a_damaged_lesson_of_the_course_is_named_and_the_others_are_laid(here):
    Path("notebooks/01_tiny.ipynb").write_text('{"cells": [')
    copy = start(here)
    assert lesson(here, "00_tiny").exists()
    assert not lesson(here).exists()
    [line] = copy.damaged
    assert line.startswith("notebooks/01_tiny.ipynb breaks off in line 1")
    assert line in sentence(course_says("reset", "1"), 2)


# Where it lies


def test_the_course_is_found_from_within_a_copy_far_away(here, monkeypatch):
    far = here / "home" / "far"
    monkeypatch.setenv("COURSE_LESSONS", str(far))
    start(here)
    monkeypatch.chdir(far / "notebooks")
    assert folder.course_folder() == here


def test_the_copy_is_never_the_course_itself(here, monkeypatch):
    monkeypatch.setenv("COURSE_LESSONS", ".")
    assert "but got" in sentence(course_says("update"), 2)
    assert not (here / ".course").exists()


def test_of_a_folder_that_belongs_to_another_user_the_home_is_used(here, monkeypatch):
    start(here)
    if not hasattr(os, "getuid"):
        pytest.skip("Windows has no such owner")
    monkeypatch.setattr(os, "getuid", lambda: here.stat().st_uid + 12345)
    assert copy_place.find(here) is None
    assert start(here).folder.parent == here / "home/lightning-course"


@pytest.mark.skipif(sys.platform == "win32", reason="forks, and gives up its rights")
def test_two_read_only_courses_have_two_copies_in_the_home_folder(monkeypatch):
    originals._kernel()  # imported while everything can be read
    monkeypatch.setattr(syllabus, "load", lambda: SMALL)
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        home = Path(top, "home")
        home.mkdir(mode=0o777)
        home.chmod(0o777)
        monkeypatch.setenv("HOME", str(home))
        courses = [Path(top, year, "course") for year in ("2026", "2027")]
        for course in courses:
            course.mkdir(parents=True)
            monkeypatch.chdir(course)
            write("01_tiny", f"'{course.parent.name}'")
            for path in (course / "notebooks", course):
                path.chmod(0o555)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.getuid() == 0:
                    os.setuid(54321)
                folders = [start(course).folder for course in courses]
                texts = [(f / "notebooks/01_tiny.ipynb").read_text() for f in folders]
                assert all(f.parent == home / "lightning-course" for f in folders)
                assert ["2026" in texts[0], "2027" in texts[1]] == [True, True]
                # Found again, and nothing was written into the course.
                assert [start(course).folder for course in courses] == folders
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not any((course / "my_lessons").exists() for course in courses)
        for course in courses:
            course.chmod(0o755)
            (course / "notebooks").chmod(0o755)
        monkeypatch.chdir("/")


def test_on_a_full_disk_the_copy_does_not_move_to_another_folder(here, monkeypatch):
    ensure_writable = copy_place.ensure_writable

    def full(path):
        if path.parent == here:
            raise OSError(errno.ENOSPC, "No space left on device")
        return ensure_writable(path)

    monkeypatch.setattr(copy_place, "ensure_writable", full)
    line = sentence(course_says("update"), 1)
    assert f"lessons to {here / 'my_lessons'} but got No space left" in line
    assert not (here / "home").exists()


# Full disks and interruptions


@pytest.fixture
def changed(here):
    """A learner's work in one of two lessons, and a new version of both."""
    start(here)
    mine = work_in(lesson(here))
    write("00_tiny", "'new 00'")
    write("01_tiny", "'new 01'")
    return mine


@pytest.mark.parametrize("command", [["update"], ["reset", "1"]])
@pytest.mark.parametrize("room", [0, 1, 2])
def test_a_full_disk_costs_nothing(here, changed, monkeypatch, command, room):
    before = sorted(everything_in(here))
    write_bytes, left = Path.write_bytes, [room]

    def fill(path, content):
        left[0] -= 1
        if left[0] < 0:
            write_bytes(path, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill)
        result = course_says(*command)
    if result.exit_code:
        assert "but got No space left on device: make room" in sentence(result, 1)
    else:
        assert room == 2
    assert changed in everything_in(here)
    assert not list(here.glob("my_lessons/.course/*.part"))
    if room == 0:
        assert sorted(everything_in(here)) == before
    assert course_says(*command).exit_code == 0
    assert changed in everything_in(here)


@pytest.mark.parametrize("noted", [True, False])  # Ctrl-C, or a kill
@pytest.mark.parametrize("command", [["update"], ["reset", "1"]])
@pytest.mark.parametrize("moves", [0, 1, 2])
def test_an_interrupted_command_is_finished_by_the_next_one(
    here, changed, monkeypatch, command, moves, noted
):
    replace, left = os.replace, [moves]

    def interrupt(source, target):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        if not noted:
            patch.setattr(LearnerCopy, "save", lambda copy: None)
        course_says(*command)
    assert changed in everything_in(here)
    assert course_says(*command).exit_code == 0
    start(here)
    assert changed in everything_in(here)
    texts = "".join(each.decode() for each in everything_in(here))
    assert texts.count("new 01") == 1
    if command == ["update"]:
        assert "new 00" in lesson(here, "00_tiny").read_text("utf-8")
        assert lesson(here).read_bytes() == changed
        assert not list(lesson(here).parent.glob("00_tiny_*"))
    else:
        assert "new 01" in lesson(here).read_text("utf-8")
