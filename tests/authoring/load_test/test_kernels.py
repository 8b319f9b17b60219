"""Ordinary and ready kernels side by side, with a tiny lesson."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from ready_kernel.conftest import factory_knows

from course_utils import ready_kernel
from course_utils.authoring.load_test import kernels
from course_utils.authoring.load_test.kernels import Kept, further
from course_utils.ready_kernel import suitable

REPOSITORY = Path(__file__).parents[3]


def test_a_further_learner_is_what_all_but_the_first_add():
    alone = Kept("ready", 1, 1, (900.0, 600.0))
    many = Kept("ready", 5, 5, (1300.0, 800.0))
    assert further(alone, many) == (100.0, 50.0)


def test_a_machine_on_which_no_kernel_is_ready_is_refused(monkeypatch):
    monkeypatch.setattr(kernels, "check", lambda *_: None)
    monkeypatch.setattr(suitable, "has_gpu", lambda: True)
    with pytest.raises(ValueError, match="a GPU"):
        kernels.main([])


@pytest.mark.slow
def test_both_are_measured(tmp_path, monkeypatch, capsys):
    if sys.platform != "linux" or suitable.has_gpu():
        pytest.skip("kernels start in the ordinary way here")
    factory_knows()
    monkeypatch.setattr(ready_kernel, "is_installed", lambda: True)
    for name in ("notebooks", "tests"):
        (tmp_path / name).mkdir()
    rule = Path("tests", "nbval_sanitize.cfg")
    (tmp_path / rule).write_bytes((REPOSITORY / rule).read_bytes())
    monkeypatch.chdir(tmp_path)
    printed = v4.new_output("stream", text="True\n")
    code = "import os, torch\nprint(bool(torch.ones(2).sum()))"
    cells = [v4.new_code_cell(code, outputs=[printed])]
    nbformat.write(v4.new_notebook(cells=cells), "notebooks/12_tiny.ipynb")
    options = ["--lesson", "12_tiny", "--starts", "2", "--learners", "1", "2"]
    assert kernels.main(options) == 0
    said = capsys.readouterr().out
    medians = re.findall(r"^\| (ordinary|ready) \| 2 \| (\d+\.\d\d) ", said, re.M)
    assert [kernel for kernel, _ in medians] == ["ordinary", "ready"]
    assert float(medians[1][1]) < float(medians[0][1])
    for kernel in ("ordinary", "ready"):
        assert re.search(rf"^\| {kernel} \| 1 \| 1 \| [\d,]+ \| [\d,]+ \|", said, re.M)
        row = rf"^\| {kernel} \| 2 \| 2 \|" + r" [\d,]+ \|" * 4 + "$"
        assert re.search(row, said, re.M), said
