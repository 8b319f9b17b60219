"""`check_my`: the questions, asked of a module that lives in a notebook."""

import importlib
import linecache
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import check_my
from course_utils.own_code import kernel
from course_utils.own_code.output.notebook import Shown
from course_utils.own_code.report import Finding, Report, Unasked

IMPORTS = """import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset"""
MODEL = """class Model(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net, self.seen = nn.Linear(8, 2), []

    def training_step(self, batch, batch_idx):
        x, y = batch
        x *= 2{comment}
        loss = nn.functional.cross_entropy(self.net(x), y)
        self.seen.append(loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)"""
CLEAN = MODEL.format(comment="").replace("x *= 2", "x = x * 2")
DATA = """rows = torch.randn(64, 8)
loader = DataLoader(TensorDataset(rows, torch.zeros(64).long()), batch_size=16)
model = Model()
model.trained, model.on = model.net(rows[:1]).detach(), torch.get_rng_state()
before = rows.clone(), [p.clone() for p in model.parameters()]"""
ASK = """from pathlib import Path
from course_utils import check_my
found = check_my({asked}, loader)
assert torch.equal(rows, before[0])
assert all(map(torch.equal, model.parameters(), before[1]))
assert torch.equal(model.on, torch.get_rng_state())
assert model.seen == [] and not list(Path().iterdir())
found"""


@pytest.fixture
def session(monkeypatch):
    """Return a function that defines a class as a kernel does, in numbered cells."""

    def define(*cells: str, number: int) -> type:
        names: dict = {"__name__": "__main__"}
        for place, code in enumerate(cells, 1):
            file = f"<cell {place}>"
            lines = code.splitlines(keepends=True)
            monkeypatch.setitem(linecache.cache, file, (1, None, lines, file))
            exec(compile(code, file, "exec"), names)
            if place == number:
                found = names["Model"]
        shell = SimpleNamespace(user_ns={"In": ["", *cells]})
        fake = SimpleNamespace(get_ipython=lambda: shell)
        monkeypatch.setitem(sys.modules, "IPython", fake)
        return found

    monkeypatch.setattr(kernel, "_run", lambda *_: Report())
    return define


def places(shown: Shown) -> list[str]:
    return [f"{f.practice} {f.place}" for f in shown.report.findings]


def test_a_class_is_read_in_the_cell_that_defines_it(session):
    model = MODEL.format(comment="")
    kind = session(IMPORTS, "device = 'cuda'", model, number=3)
    assert places(check_my(kind)) == ["12.5 In[3]:8"]


def test_of_several_definitions_the_one_in_hand_is_read(session):
    model = MODEL.format(comment="")
    assert places(check_my(session(IMPORTS, model, CLEAN, number=2))) == [
        "12.5 In[2]:8"
    ]
    assert places(check_my(session(IMPORTS, model, CLEAN, number=3))) == []


def test_a_cell_that_is_no_python_hides_nothing(session, monkeypatch):
    kind = session(IMPORTS, MODEL.format(comment=""), number=2)
    cells = ["", IMPORTS, MODEL.format(comment=""), "1 +"]
    monkeypatch.setattr(kernel, "_cells", lambda: cells)
    assert places(check_my(kind)) == ["12.5 In[2]:8"]


def test_a_comment_answers_what_is_read_and_what_ran(session, monkeypatch):
    kind = session(IMPORTS, MODEL.format(comment="  # course: ignore[12.5]"), number=2)
    rows = ("12.5", 8), ("7.4", 9)
    ran = [Finding(p, "warning", "<cell 2>", line, "S.", "D.") for p, line in rows]
    monkeypatch.setattr(kernel, "_run", lambda *_: Report(ran))
    assert places(check_my(kind)) == ["7.4 In[2]:9"]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Return a class that a file defines."""
    (tmp_path / "mine.py").write_text(f"{IMPORTS}\n\n\n{MODEL.format(comment='')}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return importlib.import_module("mine").Model


def test_a_class_of_a_file_is_read_there(mine, monkeypatch):
    monkeypatch.setattr(kernel, "_run", lambda *_: Report())
    assert places(check_my(mine)) == ["12.5 mine.py:14"]


def test_something_else_than_a_module_gets_one_sentence():
    with pytest.raises(
        TypeError, match="Expected a LightningModule, a class .* got dict"
    ):
        check_my({})


def test_what_cannot_be_handed_over_is_told_and_the_rest_is_read(mine):
    model = mine()
    model.lock = sys._getframe()
    found = check_my(model)
    assert [f.practice for f in found.report.findings] == ["12.5"]
    [why] = [u.reason for u in found.report.unasked if not u.practice]
    assert why.startswith("it cannot be handed to another process: TypeError: ")


def test_the_table_holds_what_the_text_holds_and_escapes_it():
    finding = Finding("4.3", "note", "In[2]", 3, "`a < b` seen.", "Do it.")
    shown = Shown(Report([finding], [Unasked("5.3", "It needs data.")]))
    for part in ("4.3", "In[2]:3", "Do it.", "04_logging", "5.3 It needs data."):
        assert part in repr(shown)
        assert part in shown._repr_html_()
    assert "`a &lt; b` seen." in shown._repr_html_()
    assert "<table>" not in Shown(Report())._repr_html_()


def test_a_message_for_the_command_line_is_told_for_a_notebook():
    unasked = [Unasked("1.1", "it needs data: name them with --data.")]
    [said] = kernel._said(Report(unasked=unasked)).unasked
    assert said.reason == "it needs data: hand them over, check_my(module, data)."


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["Model", "model"])
def test_in_a_kernel_it_runs_and_leaves_no_trace(asked, tmp_path):
    cells = [IMPORTS, MODEL.format(comment=""), DATA, ASK.format(asked=asked)]
    notebook = new_notebook(cells=[new_code_cell(each) for each in cells])
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=280, resources=resources).execute()
    said = notebook.cells[-1].outputs[-1].data
    assert "In[2]:8: 12.5 warning (both)" in said["text/plain"]
    assert "7.4 warning (run)" in said["text/plain"]
    assert "<td>In[2]:8</td>" in said["text/html"]
    nbformat.validate(notebook)
    assert list(Path(tmp_path).iterdir()) == []
