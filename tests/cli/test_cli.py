import dataclasses
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import CLAIM, course_says, lesson, sentence, write
from rich.text import Text

from course_utils import syllabus
from course_utils._version import __version__
from course_utils.cli import data as data_command
from course_utils.cli import folder, lab, terminal
from course_utils.cli.status import lesson_status
from course_utils.data.cache import DataError
from course_utils.progress import Progress

START = lab._start
COMMANDS = (
    *("lab", "reset", "update", "run", "evidence", "status", "schedule", "data"),
    *("doctor", "load", "class", "stamp", "check"),
)
# Help and mistakes


@pytest.mark.parametrize("command", COMMANDS)
def test_help_begins_with_a_sentence(command):
    result = course_says(command, "--help")
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    assert result.exit_code == 0
    assert lines[1][0].isupper()
    assert lines[1].endswith(".")


def test_all_commands_are_listed():
    result = course_says("--help")
    assert all(f" {command} " in result.stdout for command in COMMANDS)


def test_the_version_is_shown_with_and_without_a_course():
    result = course_says("--version")
    assert (result.exit_code, result.stdout) == (0, f"course {__version__}\n")


@pytest.mark.parametrize("args", [["--help"], ["status"]])
def test_help_and_status_do_not_wait_for_torch_or_jupyter(args):
    code = (
        "import sys\nfrom course_utils.cli import app\n"
        f"app({args!r}, standalone_mode=False)\n"
        "slow = {'torch', 'lightning', 'torchvision', 'nbclient', 'jupyterlab'}\n"
        "sys.exit(repr(slow & set(sys.modules)) if slow & set(sys.modules) else 0)"
    )
    env = {**os.environ, "COURSE_PROGRESS_FILE": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["run", "77"], "Expected a lesson from 00 to 03 but got '77'"),
        (["run", "3"], "ready (00, 01, 02) but got 03, which is only planned"),
        (["evidence", "--seeds", "0"], "--seeds to be at least 1 but got 0"),
        (["evidence", "--first-seed", "-1"], "but got -1 to 1; change --first-seed"),
        (["evidence", "--output", "no/such/x"], "--output to be a file that can be"),
        (["data", "minst"], "Did you mean 'mnist'?"),
        (["data", "embedded"], "which ships with the course"),
        (["lab", "--port", "0"], "--port to be from 1 to 65535 but got 0"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(course, args, part):
    assert part in sentence(course_says(*args), 2)


@pytest.mark.parametrize("command", ["lab", "run", "evidence", "data", "load"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("COURSE_SEED", "x"), ("COURSE_DATA", "minst")),
        *(("COURSE_DATA_DIR", "/none/x"), ("COURSE_DEVICE", "gpu")),
        *(("COURSE_IMAGES", "some"), ("COURSE_KERNEL", "fast")),
    ],
)
def test_a_typo_in_a_variable_is_named(course, monkeypatch, command, name, value):
    monkeypatch.setenv(name, value)
    line = sentence(course_says(command), 2)
    assert f"Expected {name} to be" in line
    assert value in line


# Folder and lessons


def test_the_course_is_found_from_within_its_notebooks(course, monkeypatch):
    monkeypatch.chdir(course / "notebooks")
    assert folder.course_folder() == course


def test_without_a_course_one_sentence_says_where_it_was_searched(course, monkeypatch):
    elsewhere = course / "elsewhere"
    elsewhere.mkdir()
    Path("notebooks").rename("gone")
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(folder, "__file__", str(elsewhere / "a/b/c/d/e.py"))
    assert f"notebooks/ in {elsewhere} or above" in sentence(course_says("run"), 2)


def test_a_lesson_is_chosen_by_id_file_or_path_and_counts_once(course):
    names = ["1", "01", "01_tiny", "notebooks/01_tiny.ipynb", "0"]
    assert [each.id for each in folder.chosen_lessons(names)] == ["01", "00"]
    assert [each.id for each in folder.chosen_lessons([])] == ["00", "01", "02"]


# Lab


@pytest.fixture
def lab_course(course, monkeypatch):
    """A course whose variables and folder `course lab` may change in this process."""
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, os.environ.get(name, "") if name == "PATH" else value)
    write("00_start_here")
    first = dataclasses.replace(lesson(0), file="00_start_here")
    monkeypatch.setattr(syllabus, "load", lambda: syllabus.Syllabus((first,)))
    return course


def test_lab_starts_a_local_server_with_a_token_at_the_first_lesson(
    lab_course, monkeypatch
):
    seen = []
    monkeypatch.setattr(lab, "_start", START)
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", seen.append)
    assert course_says("lab", "--port", "9001", "--no-browser").exit_code == 0
    [args] = seen
    assert "--ServerApp.ip=127.0.0.1" in args
    assert "--ServerApp.port=9001" in args
    copy = lab_course / "my_lessons"
    assert f"--ServerApp.root_dir={copy}" in args
    # Where a terminal starts: Jupyter looks for its folder from the working folder.
    assert Path.cwd() == copy
    assert "--no-browser" in args
    assert not any("token" in arg or "password" in arg for arg in args)
    [url] = [arg for arg in args if "default_url" in arg]
    assert url.endswith("/tree/notebooks/00_start_here.ipynb")
    assert os.environ["JUPYTER_CONFIG_PATH"].startswith(str(lab.SETTINGS))


def test_lab_says_where_the_lessons_are_and_what_is_new(lab_course, monkeypatch):
    monkeypatch.setattr(lab, "_start", lambda args: None)
    copy = lab_course / "my_lessons"
    assert course_says("lab").stderr == f"Your own copy of the lessons is in {copy}.\n"
    monkeypatch.chdir(lab_course)
    write("00_start_here", "'new'")
    said = course_says("lab").stderr.splitlines()[1]
    assert said.startswith("The course has a new version of notebooks/00_start_here")
    assert "`course update` lays it there, and keeps what you changed." in said
    monkeypatch.chdir(copy)
    assert "replaced" in course_says("update").stdout
    assert len(course_says("lab").stderr.splitlines()) == 1


def test_the_labs_terminals_and_cells_find_course(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    scripts, *rest = lab.environment()["PATH"].split(os.pathsep)
    assert Path(scripts) == Path(sys.executable).parent
    assert rest == ["/usr/bin"]
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", scripts]))
    assert lab.environment()["PATH"] == os.environ["PATH"]  # no other order


@pytest.mark.skipif(os.name != "posix", reason="a login shell")
def test_the_labs_terminal_keeps_that_path(tmp_path, monkeypatch):
    """Jupyter starts a login shell without a terminal, and that sets PATH anew."""
    from jupyter_server.serverapp import ServerApp

    monkeypatch.setenv("SHELL", "/bin/sh")
    server = ServerApp()
    options = lab.arguments(tmp_path, 8888, browser=False)
    server.parse_command_line([each for each in options if "LabApp" not in each])
    assert server.terminado_settings == {"shell_command": "/bin/sh"}


def test_lab_starts_another_command_in_the_folder_of_the_lessons(
    lab_course, monkeypatch
):
    seen = []
    monkeypatch.setattr(lab, "_start", lambda args: seen.append("lab"))
    monkeypatch.setattr(os, "execvp", lambda *args: seen.append((*args, Path.cwd())))
    assert course_says("lab", "--", "hub", "--port", "3").exit_code == 0
    assert seen[0] == ("hub", ["hub", "--port", "3"], lab_course / "my_lessons")


def test_a_command_that_cannot_be_started_is_one_sentence(lab_course):
    result = course_says("lab", "--", "no-such-hub")
    assert result.exit_code == 2
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Expected a command that can be started but got 'no-such-h")


def test_jupyterlab_uses_the_settings_in_the_package(monkeypatch, tmp_path):
    from jupyterlab_server.settings_utils import _get_overrides

    key = "@jupyterlab/apputils-extension:notification"
    assert "fetchNews" not in _get_overrides(str(tmp_path))[0].get(key, {})
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, value)
    overrides, error = _get_overrides(str(tmp_path))
    assert not error
    assert overrides[key] == {"fetchNews": "false", "checkForUpdates": False}


def test_a_missing_jupyterlab_is_one_sentence_with_the_remedy(lab_course, monkeypatch):
    monkeypatch.setattr(lab, "_start", START)
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    result = course_says("lab")
    assert result.exit_code == 2
    line = result.stderr.splitlines()[-1]
    assert "run `python -m pip install jupyterlab`" in line


@pytest.mark.parametrize(
    ("command", "module"),
    [("run", "ipykernel"), ("run", "nbclient"), ("evidence", "nbclient")],
)
def test_without_what_runs_notebooks_the_remedy_is_told(
    course, monkeypatch, command, module
):
    monkeypatch.setitem(sys.modules, module, None)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    said = sentence(course_says(command), 2)
    assert said.startswith(f"Expected {module}, which runs notebooks, to be installed")
    assert "run `python -m pip install ipykernel nbclient`" in said


# Run and evidence: real kernels, tiny notebooks


def test_run_shows_the_claims_and_changes_neither_notebook_nor_progress(course):
    before = Path("notebooks/01_tiny.ipynb").read_bytes()
    result = course_says("run", "1")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["1.1", "one", "-", "-", "3", "✓"] in rows
    assert ["1.2", "two", "-", "-", "4", "✓"] in rows
    assert Path("notebooks/01_tiny.ipynb").read_bytes() == before
    assert not Path("progress.jsonl").exists()


def test_a_broken_claim_and_a_broken_cell_are_reported_and_the_rest_runs(course):
    write("00_tiny", "x = 1", "1 / 0")
    write("01_tiny", CLAIM.format("1.1", "one", 1), CLAIM.format("1.2", "two", 4))
    result = course_says("run", "0", "1", "2")
    assert result.exit_code == 1
    assert "Cell 2 of 2 (`1 / 0`) raised ZeroDivisionError" in result.stderr
    assert "There is no 02_tiny.ipynb: run `make sync`" in result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["1.1", "one", "-", "-", "1", "✗"] in rows
    assert ["1.2", "two", "-", "-", "4", "✓"] in rows


def test_a_broken_claim_alone_is_enough_to_fail(course):
    write("00_tiny", CLAIM.format("0.1", "zero", 1))
    assert course_says("run", "0").exit_code == 1


def test_a_lesson_that_claims_too_little_does_not_pass(course):
    write("01_tiny", CLAIM.format("1.1", "one", 3))
    result = course_says("run", "1")
    assert result.exit_code == 1
    assert "No claim was made for 1.2." in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_ends_a_real_run_without_a_traceback(course):
    write("00_start_here", "open('started', 'w').close()\nimport time; time.sleep(60)")
    command = [sys.executable, "-c", "from course_utils.cli import app; app()", "run"]
    with subprocess.Popen([*command, "0"], stderr=subprocess.PIPE, text=True) as child:
        while not Path("notebooks/started").exists() and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert errors.strip() == "Stopped. The lesson that was running is not counted."


# Status


def _done(*events: tuple[str, str, object]) -> None:
    names = ("event", "practice", "outcome")
    lines = [json.dumps(dict(zip(names, event, strict=True))) for event in events]
    Path("progress.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


def _row(result, name: str) -> str:
    [line] = [
        each
        for each in result.stdout.splitlines()
        if each.strip(" │|").startswith(name)
    ]
    return " ".join(line.split())


def test_status_of_a_beginner(course):
    result = course_says("status")
    assert _row(result, "01") == "01 Tiny 2 - 0 of 2 50"
    assert _row(result, "03") == "03 Tiny 2 planned"
    assert _row(result, "total") == "total 6 - 0 of 4 100"
    assert "You have not predicted an outcome yet." in result.stdout
    assert "Of planned lessons" in " ".join(result.stdout.split())


def test_status_counts_what_was_done_without_lesson_00_in_the_total(course):
    _done(
        ("prediction", "0.1", True),
        ("prediction", "1.1", True),
        ("prediction", "1.1", False),
        ("prediction", "2.1", False),
        ("exercise", "1.2", "correct"),
        ("exercise", "1.1", "incorrect"),
    )
    result = course_says("status")
    assert _row(result, "00") == "00 Tiny 1 1 of 1 0 of 1 5"
    # Half of 20 minutes of teaching, and the 10 minutes of exercise 1.1.
    assert _row(result, "01") == "01 Tiny 2 1 of 1 1 of 2 20"
    assert _row(result, "total") == "total 6 1 of 2 1 of 4 60"
    assert "You predicted 1 of 2 outcomes right (50 %)" in result.stdout


def test_a_lesson_without_practices_counts_all_of_its_minutes():
    assert lesson_status(lesson(9, practices=()), Progress({}, {})).minutes == 50


def test_the_capstone_shows_what_was_repaired():
    capstone = lesson(14, practices=())
    assert lesson_status(capstone, Progress({}, {})).cells()[2] == "-"
    done = Progress({}, {}, {"4.4", "12.5"})
    assert lesson_status(capstone, done).cells()[2] == "2 repaired"
    assert lesson_status(lesson(9, practices=()), done).cells()[2] == "-"


def test_the_lesson_on_own_code_counts_one_exercise_under_its_own_id():
    own = lesson(15, practices=())
    assert lesson_status(own, Progress({}, {})).cells()[2:] == ("0 of 1", "50")
    done = Progress({}, {"15": "correct"})
    assert lesson_status(own, done).cells()[2:] == ("1 of 1", "20")


def test_status_ignores_damaged_lines_of_the_progress_file(course):
    Path("progress.jsonl").write_bytes(b'\xff\x00{"event"\n[]\n{"event": 3}\n')
    assert _row(course_says("status"), "01") == "01 Tiny 2 - 0 of 2 50"


def test_the_real_course_counts_47_practices(monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS_FILE", "")
    result = course_says("status")
    assert _row(result, "total").startswith("total 47 ")
    assert "planned" not in result.stdout  # there is none
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


# Data


@pytest.fixture
def nothing_here(monkeypatch):
    """No data on disk, without importing torchvision, which is slow."""

    def locate(name):
        raise DataError(f"no {name}")

    monkeypatch.setattr(data_command, "locate", locate)


def test_data_lists_what_is_here_and_what_is_in_use(course, nothing_here):
    result = course_says("data")
    assert result.exit_code == 0, result.output
    assert _row(result, "✓") == "✓ embedded ships with the course"
    assert "mnist not here; get it with" in _row(result, "mnist")


def test_a_slow_download_warns_and_asks_first(course, monkeypatch, nothing_here):
    monkeypatch.setattr(data_command, "_download", lambda name: pytest.fail("asked?"))
    refused = course_says("data", "cifar10", input="n\n")
    assert refused.exit_code == 1
    assert "about an hour" in refused.stdout
    assert "Nothing was downloaded" in refused.stderr
    assert course_says("data", "cifar10").exit_code == 1  # no one answers


def test_with_yes_nothing_is_asked_and_a_failure_is_one_sentence(
    course, monkeypatch, nothing_here
):
    def fails(name, progress):
        progress(0, 10)
        progress(5, 10)
        raise DataError("Expected to download x but got a cut: try again.")

    monkeypatch.setattr("course_utils.data.download.download", fails)
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, with a progress bar
    result = course_says("data", "cifar10", "--yes")
    assert result.exit_code == 1
    assert "5/10 bytes" in result.stderr
    assert "about an hour" in result.stdout
    assert "Expected to download x" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


def test_a_download_ends_with_how_to_use_it(course, monkeypatch, nothing_here):
    monkeypatch.setattr(
        "course_utils.data.download.download", lambda name, progress: Path("there")
    )
    result = course_says("data", "MNIST")
    assert result.exit_code == 0
    assert result.stdout == "MNIST is here: there\nUse it with COURSE_DATA=mnist.\n"


def test_a_readable_copy_is_not_downloaded_again(course, monkeypatch):
    monkeypatch.setattr(data_command, "locate", lambda name: Path("here"))
    monkeypatch.setattr(data_command, "open_dataset", lambda *_, **__: None)
    monkeypatch.setattr(data_command, "_download", lambda name: pytest.fail("again"))
    result = course_says("data", "cifar10")
    assert result.exit_code == 0
    assert result.stdout == "CIFAR-10 is here already: here\n"


@pytest.mark.parametrize(("own", "status"), [(False, 0), (True, 1)])
def test_a_damaged_copy_is_downloaded_again_unless_it_is_the_learners_own(
    course, monkeypatch, own, status
):
    def damaged(*_, **__):
        raise DataError("Expected readable files.")

    if own:
        monkeypatch.setenv("COURSE_DATA_DIR", str(course))
    monkeypatch.setattr(data_command, "locate", lambda name: Path("here"))
    monkeypatch.setattr(data_command, "open_dataset", damaged)
    monkeypatch.setattr(data_command, "_download", lambda name: Path("fetched"))
    result = course_says("data", "mnist")
    assert result.exit_code == status
    assert ("fetched" in result.stdout) is not own
    assert ("Expected readable files." in result.stderr) is own


# Terminals


@pytest.mark.parametrize("args", [["--help"], ["status"], ["run", "1"]])
def test_an_ascii_terminal_loses_the_signs_and_nothing_else(course, args):
    code = (
        "import sys\nfrom course_utils import syllabus\n"
        "from course_utils.cli import app, runs\n"
        "from course_utils.syllabus import *\n"
        "from course_utils.authoring.evidence.tasks import Outcome, Task\n"
        "from course_utils.experiments.claims import Claim\n"
        "lesson = Lesson('01', '01_tiny', 'T', 'p', 1, 1, (), 9.0)\n"
        "syllabus.load = lambda: Syllabus((lesson,))\n"
        "c = Claim('1.1', '\\u03bb [red] ok', 'equals', 1, True, 1)\n"
        "runs._execute = lambda *_: Outcome(Task('01', 0), (c,))\n"
        f"app({args!r})"
    )
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    if args[0] == "run":
        assert "? [red] ok" in done.stdout
        assert "yes" in done.stdout


def test_a_verdict_has_a_sign_and_a_colour():
    good, bad = (terminal.verdict(terminal.console(), each) for each in (True, False))
    assert isinstance(good, Text)
    assert good.plain in ("✓", "yes")
    assert bad.plain in ("✗", "no")
    assert good.style != bad.style
