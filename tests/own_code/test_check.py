"""``course check``: what it prints, writes and returns."""

import json
from pathlib import Path

import nbformat
import pytest
from command_line import course_says, sentence
from nbformat.v4 import new_code_cell, new_notebook

from course_utils.own_code.output.sarif import to_sarif
from course_utils.own_code.output.text import unasked_lines
from course_utils.own_code.report import Finding, Report, Unasked

CODE = """import lightning as L
import torch


class Model(L.LightningModule):
    def training_step(self, batch, batch_idx):
        x, y = batch
        noise = torch.rand(
            2,
            3,  # three
        ).to(self.device)
        x *= y - 1  # shifted
        return (x + noise).sum()
"""
FIXED = """import lightning as L
import torch


class Model(L.LightningModule):
    def training_step(self, batch, batch_idx):
        x, y = batch
        noise = torch.rand(
            2,
            3,  # three
        device=self.device)
        x = x * (y - 1)  # shifted
        return (x + noise).sum()
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text(CODE)
    return tmp_path


def checked(*args: str):
    return course_says("check", "--no-run", *args)


def practices(*args: str) -> list[str]:
    said = json.loads(checked("--json", *args).stdout)
    return [each["practice"] for each in said["findings"]]


def test_a_finding_shows_place_practice_remedy_and_lesson(project):
    result = checked("model.py")
    assert result.exit_code == 1
    assert "model.py:12: 12.5 warning (read)" in result.stdout
    assert "→ Make a new tensor, or clone it first." in result.stdout
    assert "lesson 12_common_pitfalls: Leave the batch as it came" in result.stdout
    assert result.stdout.endswith("2 findings, 2 that `--fix` repairs.\n")


def test_help_names_comment_and_settings_whole():
    # A word in brackets is markup to what prints the help.
    said = " ".join(course_says("check", "--help").stdout.split())
    assert "`# course: ignore[4.3] reason`" in said
    assert "in the table tool.course" in said


def test_nothing_found_is_exit_status_0(project):
    Path("model.py").write_text("import torch\n")
    assert checked("model.py").exit_code == 0


def test_a_note_alone_is_exit_status_0(project):
    Path("model.py").write_text('import lightning as L\nL.Trainer(precision="16-true")')
    result = checked("model.py")
    assert "7.5 note" in result.stdout
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("args", "left"),
    [
        (["--select", "12.*"], ["12.5"]),
        (["--select", "12"], ["12.5"]),
        (["--ignore", "12.5"], ["2.2"]),
        (["--select", "2.2,12.5", "--ignore", "12.*"], ["2.2"]),
    ],
)
def test_practices_are_selected_and_ignored(project, args, left):
    assert practices("model.py", *args) == left


def test_settings_stand_in_pyproject(project):
    Path("pyproject.toml").write_text('[tool.course]\nignore = ["2.*"]\n')
    assert practices("model.py") == ["12.5"]
    Path("pyproject.toml").write_text('[tool.course]\nexclude = ["mod*"]\n')
    assert practices(".") == []


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("# course: ignore[12.5] meant", ["2.2"]),
        ("# course: ignore[12] meant", ["2.2"]),
        ("# course: ignore", ["2.2"]),
        ("# course: ignore[4.3] meant", ["2.2", "12.5"]),
    ],
)
def test_a_comment_answers_its_line(project, comment, left):
    Path("model.py").write_text(CODE.replace("# shifted", comment))
    assert practices("model.py") == left
    own_line = CODE.replace("        x *=", f"        {comment}\n        x *=")
    Path("model.py").write_text(own_line)
    assert practices("model.py") == left


def test_a_module_is_named_with_dots_and_its_class_alone_is_told(project):
    Path("pkg").mkdir()
    Path("pkg/__init__.py").touch()
    other = CODE.split("\n\n\n")[1].replace("Model", "Other", 1)
    Path("pkg/net.py").write_text(f"{CODE}\n\n{other}")
    assert practices("pkg.net:Model") == ["2.2", "12.5"]
    assert practices("pkg.net") == ["2.2", "12.5"] * 2


def test_what_is_not_run_is_told(project):
    result = course_says("check", "model.py")
    assert "model.py: read, not run: name pkg.module:Class" in result.stdout


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (
            ["no.py"],
            "Expected a file, a folder or package.module:Class but got",
        ),
        (["model.py", "--select", "99.1"], "--select to name practices such as 4.3"),
        (["model.py", "--ignore", "x"], "got 'x', which names none"),
    ],
)
def test_a_mistake_gets_one_sentence(project, args, part):
    assert part in sentence(checked(*args), status=2)


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("selct = ['4.3']", "got selct. Did you mean select?"),
        ("seconds = 'long'", "seconds in [tool.course] to be a float but got 'long'"),
        ("batches = true", "batches in [tool.course] to be a int but got True"),
    ],
)
def test_a_wrong_setting_gets_one_sentence(project, table, part):
    Path("pyproject.toml").write_text(f"[tool.course]\n{table}\n")
    assert part in sentence(checked("model.py"), status=2)


def test_fix_rewrites_what_is_safe_and_keeps_the_rest(project):
    pytest.importorskip("libcst")
    assert checked("--fix", "model.py").exit_code == 0
    assert Path("model.py").read_text() == FIXED


BUFFER = """import lightning as L
import torch


class Model(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.scale = torch.ones(3)  # of {name}

    def forward(self, x):
        return x * self.scale
"""


def test_fix_registers_a_buffer_that_checkpoints_do_not_hold(project):
    pytest.importorskip("libcst")
    Path("model.py").write_text(BUFFER)
    assert checked("--fix", "model.py").exit_code == 0
    new = 'self.register_buffer("scale", torch.ones(3), persistent=False)'
    expected = BUFFER.replace("self.scale = torch.ones(3)", new)
    assert Path("model.py").read_text() == expected


def test_fix_needs_libcst_and_says_so(project, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "libcst" in sentence(checked("--fix", "model.py"), status=2)
    assert Path("model.py").read_text() == CODE


def notebook() -> Path:
    cells = [new_code_cell("%matplotlib inline\n!ls\nx = 1"), new_code_cell(CODE[:-1])]
    nbformat.write(new_notebook(cells=cells), "lab.ipynb")
    return Path("lab.ipynb")


def test_a_notebook_is_read_cell_by_cell(project):
    notebook()
    result = checked("lab.ipynb")
    assert "lab.ipynb, cell 2, line 12: 12.5" in result.stdout


def test_a_notebook_is_fixed_cell_by_cell(project):
    pytest.importorskip("libcst")
    path = notebook()
    before = path.read_text()
    assert checked("--fix", "lab.ipynb").exit_code == 0
    cells = nbformat.read(path, 4).cells
    assert cells[1].source == FIXED[:-1]
    assert path.read_text().splitlines()[:5] == before.splitlines()[:5]


def test_sarif_has_what_its_version_requires(project):
    result = checked("--sarif", "model.py")
    log = json.loads(result.stdout)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert ids == ["2.2", "12.5"]
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    for each in run["results"]:
        assert ids[each["ruleIndex"]] == each["ruleId"]
        assert each["level"] in ("none", "note", "warning", "error")
        assert each["message"]["text"]
        [location] = each["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "model.py"
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1


def test_where_code_stops_silence_is_no_success(project):
    Path("broken.py").write_text("def f(:")
    result = checked("broken.py")
    assert result.exit_code == 2
    said = " ".join(result.stdout.split())
    assert said.endswith("0 findings. Not everything could be read or run: see above.")
    assert checked("broken.py", "model.py").exit_code == 1
    [run] = json.loads(checked("broken.py", "--sarif").stdout)["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_what_could_not_be_asked_stands_in_the_order_of_the_course():
    unasked = [Unasked(p, r, "f") for p, r in (("12.1", "b"), ("7.1", "c"), ("", "a"))]
    lines = [*unasked_lines(Report(unasked=[*unasked, Unasked("4.3", "b", "f")]))]
    assert lines == ["  f: a", "  4.3, 12.1 f: b", "  7.1 f: c"]


def test_sarif_tells_what_could_not_be_asked():
    finding = Finding("4.3", "note", "a\\b.py", 0, "Seen.", "Do.")
    log = to_sarif(Report([finding], [Unasked("5.3", "It needs data.")]))
    [run] = log["runs"]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is True
    [note] = invocation["toolExecutionNotifications"]
    assert note == {"level": "note", "message": {"text": "5.3 It needs data."}}
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a/b.py"}, "region": {"startLine": 1}}
