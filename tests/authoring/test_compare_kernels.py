"""What is compared of a notebook's runs, and what counts as determined."""

from pathlib import Path

import pytest
from nbformat import v4

from course_utils.authoring import compare_kernels
from course_utils.authoring.compare_kernels import Comparison, compare, what_is_seen

RULE = Path(__file__).parents[1] / "nbval_sanitize.cfg"


def _notebook(text, picture="a"):
    data = {"image/png": picture, "text/plain": "figure"}
    outputs = [
        v4.new_output("stream", text=text),
        v4.new_output("display_data", data=data),
    ]
    return v4.new_notebook(cells=[v4.new_code_cell("", outputs=outputs)])


def test_numbers_texts_and_pictures_are_seen_apart():
    recorded = '{"practice": "7.1", "measured": 0.125}\n'
    seen = what_is_seen(_notebook("loss 0.5 after 8 steps"), recorded, RULE)
    assert "8 steps" in seen["cell 1, text"]
    assert seen["cell 1, number 1"] == "0.5"
    assert seen["record 1, number 2"] == "0.125"
    assert len(seen["cell 1, picture 1"]) == 64
    other = what_is_seen(_notebook("loss 0.7 after 8 steps", "b"), recorded, RULE)
    unlike = [place for place in seen if seen[place] != other[place]]
    assert unlike == ["cell 1, number 1", "cell 1, picture 1"]


def test_only_what_ordinary_runs_agree_on_is_compared():
    ordinary = [{"loss": "0.5", "time": "1.2"}, {"loss": "0.5", "time": "1.3"}]
    assert Comparison(ordinary, [{"loss": "0.5", "time": "7.0"}]).differing() == []
    assert Comparison(ordinary, [{"loss": "0.6", "time": "1.2"}]).differing() == [
        "loss"
    ]
    assert Comparison(ordinary, [{"time": "1.2"}]).differing() == ["loss"]


def test_what_a_ready_kernel_shows_once_wobbles():
    ordinary = [{"time, number 1": "0.1"}] * 2
    ready = [{"time, number 1": "0.2"}, {"time, number 1": "0.1"}]
    found = Comparison(ordinary, ready)
    assert found.differing() == []
    assert found.wobbling() == ["time, number 1"]
    assert found.row()[-1] == "wobbles: time, number 1 `0.1` `0.2`"


@pytest.fixture
def runs(monkeypatch):
    """Return what lets runs see these values, one after the other."""

    def see(**values):
        left = {kernel: list(each) for kernel, each in values.items()}
        asked = []

        def run(notebook, kernel, config):
            asked.append(kernel)
            return {"cell 1, number 1": left[kernel].pop(0)}

        monkeypatch.setattr(compare_kernels, "_run", run)
        return compare(_notebook(""), RULE), asked

    return see


def test_equal_runs_are_three(runs):
    found, asked = runs(ordinary=["0.5"] * 2, ready=["0.5"])
    assert asked == ["ordinary", "ready", "ordinary"]
    assert found.row() == ["2 + 1", "0", "1", "0", "0", "equal"]


def test_a_coarse_time_that_agreed_by_chance_is_measured_again(runs):
    found, asked = runs(ordinary=["0.1", "0.1", "0.2"], ready=["0.3", "0.3"])
    assert asked == ["ordinary", "ready", "ordinary", "ready", "ordinary"]
    assert found.row()[-2:] == ["1", "equal"]


def test_a_number_of_ready_kernels_alone_stays_different(runs):
    found, asked = runs(ordinary=["0.5"] * 5, ready=["0.6"] * 4)
    assert asked.count("ready") == compare_kernels.MOST_ROUNDS
    assert found.row()[-1] == "differs: cell 1, number 1 `0.5` `0.6`"


def test_where_no_kernel_is_ready_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(compare_kernels.ready_kernel, "begin", lambda wait: None)
    monkeypatch.setattr(compare_kernels, "scripts", lambda *_: [])
    monkeypatch.setenv("COURSE_KERNEL", "ordinary")
    assert compare_kernels.main([]) == 2
    assert "no kernel is ready here" in capsys.readouterr().err
