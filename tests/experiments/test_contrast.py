import json
import os
import random
import time
import warnings

import lightning as L
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from lightning.fabric.utilities.rank_zero import LightningDeprecationWarning

from course_utils import progress, syllabus
from course_utils.experiments import confidence
from course_utils.experiments.confidence import how_sure
from course_utils.experiments.contrast import contrast
from course_utils.experiments.global_state import preserve_global_state
from course_utils.experiments.kernel import _refuse_deprecated_calls, _silence
from course_utils.experiments.plots import Lines
from course_utils.experiments.result import VersionResult
from course_utils.library_messages import Message, collect_messages

ANSWER = syllabus.load().practice("12.1").answer
WRONG = next(o for o in syllabus.load().practice("12.1").options if o != ANSWER)


@pytest.fixture(autouse=True)
def _clean(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS_FILE", str(tmp_path / "progress.jsonl"))
    monkeypatch.setenv("COURSE_SEED", "0")


@pytest.fixture
def displayed(monkeypatch):
    """What `contrast` displays, as the mime bundles that a notebook would store."""
    shell = InteractiveShell.instance()
    yield lambda work: _captured(work)
    shell.clear_instance()


def _captured(work):
    with capture_output() as captured:
        work()
    return captured.outputs, captured.stdout


def nothing():
    return {}


def draws():
    return {
        "torch": torch.rand(1).item(),
        "numpy": float(np.random.rand()),
        "python": random.random(),
        "seed": os.environ["PL_GLOBAL_SEED"],
    }


def run(bad=nothing, good=nothing, **kwargs):
    return contrast("12.1", bad=bad, good=good, **kwargs)


def test_both_sides_start_from_the_same_seed():
    result = run(draws, draws)
    assert result.bad.measured == result.good.measured
    torch.manual_seed(0)
    assert result.bad.measured["torch"] == torch.rand(1).item()


class Sums:
    def total(self):
        return 8


class Averages(Sums):
    def total(self):
        return 1


def test_one_function_measures_both_versions_and_they_are_called_by_their_names():
    result = contrast(
        "12.1", lambda version: {"total": version().total()}, bad=Sums, good=Averages
    )
    assert result.times("total") == 8
    assert result.names == ("Sums", "Averages")


def test_versions_without_a_name_are_called_bad_and_good_or_as_one_says():
    assert run(lambda: {}, lambda: {}).names == ("bad", "good")
    assert run(lambda: {}, lambda: {}, names=("a", "b")).names == ("a", "b")


def test_the_environment_chooses_the_seed(monkeypatch):
    zero = run(draws, draws)
    monkeypatch.setenv("COURSE_SEED", "9")
    nine = run(draws, draws)
    assert nine.bad.measured == nine.good.measured != zero.bad.measured
    torch.manual_seed(9)
    assert nine.bad.measured["torch"] == torch.rand(1).item()


def test_a_seed_that_is_none_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setenv("COURSE_SEED", "lucky")
    with pytest.raises(ValueError, match="COURSE_SEED .* got 'lucky'; unset it"):
        run(draws, draws)


def observes():
    return {
        "benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "dtype": str(torch.ones(1).dtype),
        "grad": torch.is_grad_enabled(),
        "variable": os.environ.get("COURSE_TEST", "unset"),
        "folder": os.getcwd(),
        "filters": len(warnings.filters),
        "draw": torch.rand(1).item(),
    }


def spoils():
    seen = observes()
    torch.backends.cudnn.benchmark = True
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    os.environ["COURSE_TEST"] = "spoilt"
    os.chdir(os.path.dirname(os.getcwd()) or os.sep)
    warnings.simplefilter("error")
    L.seed_everything(77, workers=True, verbose=False)
    return seen


def spoils_and_raises():
    spoils()
    raise RuntimeError("and out")


def test_what_one_side_changes_the_other_does_not_see_in_either_order():
    clean = run(observes, observes).good.measured
    assert run(spoils, observes).good.measured == clean
    assert run(observes, spoils).good.measured == clean
    assert run(spoils, spoils).good.measured == clean
    assert run(spoils_and_raises, observes).good.measured == clean


@pytest.mark.parametrize("version", [spoils, spoils_and_raises])
def test_afterwards_the_kernel_is_as_before(version):
    environment = dict(os.environ)
    torch.manual_seed(123)
    before = observes()
    run(version, version)
    assert dict(os.environ) == environment
    torch.manual_seed(123)
    assert observes() == before


def test_random_numbers_of_the_notebook_go_on_as_if_nothing_had_run():
    torch.manual_seed(123)
    expected = torch.rand(2).tolist()
    torch.manual_seed(123)
    first = torch.rand(1).item()
    run(spoils, spoils_and_raises)
    assert [first, torch.rand(1).item()] == expected


def fails():
    raise ValueError("no such thing\nand a second line")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("no such thing\nsecond line"), "ValueError: no such thing"),
        (ValueError("\n\n  after blanks"), "ValueError: after blanks"),
        (KeyError("val_acc"), "KeyError: 'val_acc'"),
        (AssertionError(), "AssertionError"),
        (RuntimeError("größer: "), "RuntimeError: größer"),
    ],
)
def test_an_error_is_shown_by_its_type_and_first_line(error, shown):
    def version():
        raise error

    for result in (run(bad=version), run(good=version)):
        stopped = result.bad if result.bad.error else result.good
        assert stopped.error == shown
        assert stopped.measured == {}
        assert shown in str(result)


def test_both_sides_may_stop():
    result = run(fails, fails)
    assert result.rows() == [
        ("stopped by", "ValueError: no such thing", "ValueError: no such thing")
    ]


def test_an_interrupt_by_the_learner_is_not_an_outcome():
    def version():
        torch.set_default_dtype(torch.float64)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(bad=version)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("returned", [None, [1, 2], 0.5, "text"])
def test_a_version_that_returns_no_dict_is_told_so_in_the_table(returned):
    result = run(bad=lambda: returned, good=lambda: {"n": 1})
    assert result.bad.error == (
        "TypeError: Expected a version to return a dict of named measurements but got "
        f"{type(returned).__name__}; end it with `return {{...}}`."
    )
    assert result.good.measured == {"n": 1}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "'x' to be a number, text or list of numbers but got NoneType."),
        (1j, "'x' to be a number, text or list of numbers but got complex."),
        ({"a": 1}, "'x' to be a number, text or list of numbers but got dict."),
        ([1, None], "every value of measurement 'x' to be a number but got NoneType."),
        ([1, "2"], "every value of measurement 'x' to be a number but got str."),
        (np.ones((2, 2)), "every value of measurement 'x' to be a number but got list"),
    ],
)
def test_a_measurement_that_is_none_is_told_so_in_the_table(value, sentence):
    result = run(bad=lambda: {"x": value})
    assert result.bad.error.startswith("TypeError: Expected ")
    assert sentence in result.bad.error


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (3, 3),
        (True, True),
        (0.5, 0.5),
        ("text", "text"),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (torch.tensor(3), 3),
        (torch.tensor(0.5, requires_grad=True), 0.5),
        (torch.tensor(True), True),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        ([1, 2.5], (1.0, 2.5)),
        ((), ()),
        ([torch.tensor(1), np.float32(2)], (1.0, 2.0)),
        (np.array([1, 2]), (1.0, 2.0)),
        (torch.tensor([1.0, 2.0]), (1.0, 2.0)),
    ],
)
def test_numbers_of_any_library_become_plain(value, plain):
    found = run(bad=lambda: {"x": value}).bad.measured["x"]
    assert found == plain
    assert type(found) is type(plain)


def test_names_that_are_no_text_become_text():
    assert run(bad=lambda: {2: 1}).rows() == [("2", "1", "–")]


def test_images_are_kept_without_their_graph_or_the_memory_they_are_cut_from():
    def version():
        many = torch.ones(1000, 1, 2, 2, requires_grad=True)
        return {"image": many[:3]}

    image = run(bad=version).bad.extras["image"]
    assert not image.requires_grad
    assert image.untyped_storage().nbytes() == 3 * 4 * 4


@pytest.mark.parametrize(
    ("prediction", "said"),
    [
        (None, f"The answer is {ANSWER}. You made no prediction."),
        (ANSWER, f"The answer is {ANSWER}, as you predicted."),
        (WRONG, f"The answer is {ANSWER}, you predicted {WRONG}."),
        ("z", 'Expected a prediction out of "a", "b", "c" but got \'z\'.'),
        (["a"], "but got ['a']. Change it, run its cell and then this one again"),
        (f" {WRONG.upper()} ", f"The answer is {ANSWER}, you predicted {WRONG}."),
        (f"{ANSWER})", f"The answer is {ANSWER}, as you predicted."),
        (f"({ANSWER}).", f"The answer is {ANSWER}, as you predicted."),
    ],
)
def test_the_answer_speaks_to_the_prediction(capsys, prediction, said):
    run(prediction=prediction)
    assert said in capsys.readouterr().out


FIGURE = Lines("The finding", "accuracy", x="repeat", y="accuracy")


@pytest.mark.parametrize("prediction", ["z", "", "abc", 1, ["a"]])
def test_after_a_prediction_that_is_none_of_the_options_the_answer_waits(prediction):
    with capture_output() as shown:
        result = run(prediction=prediction, figure=FIGURE)
    assert result.bad is not None  # the cells below go on
    assert shown.outputs == []  # no table, and no figure, either
    [line] = shown.stdout.splitlines()
    assert line.endswith("run its cell and then this one again to see what happened.")


@pytest.mark.parametrize(
    ("prediction", "kept"),
    [
        (None, {}),
        ("z", {}),
        (ANSWER, {"12.1": True}),
        (WRONG, {"12.1": False}),
    ],
)
def test_only_a_real_prediction_is_recorded(prediction, kept):
    run(prediction=prediction)
    assert progress.load().predictions == kept


@pytest.mark.parametrize(
    ("first", "then", "remark"),
    [
        (WRONG, ANSWER, True),
        (ANSWER, WRONG, True),
        (WRONG, f"{WRONG}.", True),
        (ANSWER, ANSWER.upper(), False),
    ],
)
def test_only_the_first_prediction_counts_and_a_later_one_hears_it(
    capsys, first, then, remark
):
    run(prediction=first)
    assert "on record" not in capsys.readouterr().out
    run(prediction=then)
    said = "; your first prediction stays on record.\n"
    assert (said in capsys.readouterr().out) is remark
    assert progress.load().predictions == {"12.1": first == ANSWER}
    assert len(progress.file().read_text().splitlines()) == 1


def test_the_practice_may_be_a_number(capsys):
    result = contrast(12.1, bad=nothing, good=nothing, prediction=WRONG)
    assert result.practice == "12.1"
    assert how_sure("12.1") in capsys.readouterr().out
    assert progress.load().predictions == {"12.1": False}


def test_what_a_version_prints_is_not_shown(capsys):
    def version():
        print("noise")
        return {"n": 1}

    run(version, version)
    assert "noise" not in capsys.readouterr().out


@pytest.fixture
def evidence(tmp_path, monkeypatch):
    path = tmp_path / "evidence.jsonl"
    monkeypatch.setenv("COURSE_EVIDENCE", str(path))
    return path


def test_the_numbers_that_both_versions_measured_are_recorded(evidence):
    bad = {"loss": 2.5, "steps": 8, "ok": False, "word": "a", "curve": [1, 2], "x": 1.0}
    good = {"loss": 0.5, "steps": 8, "ok": True, "word": "b", "curve": [1, 2]}
    run(lambda: bad, lambda: good)
    assert [json.loads(line) for line in evidence.read_text().splitlines()] == [
        {"practice": "12.1", "name": "loss", "bad": 2.5, "good": 0.5},
        {"practice": "12.1", "name": "steps", "bad": 8.0, "good": 8.0},
    ]


def test_a_version_that_stopped_leaves_no_record(evidence):
    run(fails, lambda: {"loss": 0.5})
    assert not evidence.exists()


@pytest.mark.parametrize(
    ("low", "high", "signs", "rest"),
    [
        (-2.0, -2.0, 11, "-2.000 each time.\n"),
        (-2.0, -2.0, 10, "-2.000 to -2.000; 10 of 11 have the sign of the median.\n"),
        (-2.5, 1.25, 11, "-2.500 to +1.250; 11 of 11 have the sign of the median.\n"),
    ],
)
def test_how_sure_we_are_is_read_from_the_table(
    monkeypatch, capsys, low, high, signs, rest
):
    row = {"measurement": "loss", "runs": 11, "median": -2.0}
    row |= {"low": low, "high": high, "signs": signs}
    monkeypatch.setattr(confidence, "load", lambda: {"12.1": row})
    run()
    intro = "How sure? Over 11 seeds, loss, good minus bad: "
    if "to" in rest:
        intro += "median -2.000, 95 % interval "
    _, said = capsys.readouterr().out.split("How sure?")
    assert ("How sure?" + said).replace("\n", " ") == intro + rest.replace("\n", " ")


def test_without_a_row_in_the_table_nothing_is_said(monkeypatch, capsys):
    monkeypatch.setattr(confidence, "load", dict)
    run()
    assert "How sure?" not in capsys.readouterr().out


def test_an_unknown_practice_is_refused_before_anything_runs():
    def version():
        raise AssertionError("must not run")

    with pytest.raises(ValueError, match=r"got '12\.11'\. Did you mean 12\.1\?"):
        contrast("12.11", bad=version, good=version)


def test_the_table_is_displayed_as_text_and_as_html(displayed):
    bundles, out = displayed(
        lambda: run(lambda: {"acc": 0.25, "n": 3}, lambda: {"acc": 0.5, "n": 4})
    )
    [table] = bundles
    html = table.data["text/html"]
    assert html.count("<tr>") == 3
    assert "<td>0.250</td><td>0.500</td>" in html
    assert "<td>3</td><td>4</td>" in html
    assert table.data["text/plain"] == (
        "     bad    good\nacc  0.250  0.500\nn    3      4"
    )
    said, answer, sureness = out.strip().split("\n", 2)
    assert said == "Lightning says nothing to either version."
    assert answer == f"The answer is {ANSWER}. You made no prediction."
    assert sureness == how_sure("12.1") != ""


def test_the_figure_is_displayed_as_an_image_with_a_text_alternative(displayed):
    picture = Lines("It falls", "loss", x="batch", y="loss (nats)")
    bundles, _ = displayed(
        lambda: run(lambda: {"loss": [2, 2]}, lambda: {"loss": [2, 1]}, figure=picture)
    )
    _, figure, data = bundles
    alt = (
        "It falls. Line chart of loss (nats) over batch: bad goes from 2.000 to 2.000; "
        "good goes from 2.000 to 1.000."
    )
    assert figure.data["image/png"][:8] == b"\x89PNG\r\n\x1a\n"
    assert figure.data["text/plain"] == alt
    assert figure.metadata["image/png"]["alt"] == alt
    assert "<td>2.000</td><td>1.000</td>" in data.data["text/html"]


def test_a_contrast_that_stops_on_both_sides_still_shows_its_figure(displayed):
    picture = Lines("It falls", "loss", x="batch", y="loss (nats)")
    bundles, _ = displayed(lambda: run(fails, fails, figure=picture))
    assert "ValueError: no such thing" in bundles[0].data["text/html"]
    assert len(bundles) == 3


def test_the_version_before_is_let_go_before_the_next_one_runs():
    alive = []

    class Large:
        def __init__(self):
            self.me = self  # only the collector frees it
            alive.append(1)

        def __del__(self):
            alive.pop()

    def version():
        before = len(alive)
        Large()
        return {"alive": before}

    assert run(version, version).good.measured["alive"] == 0


def warns(*texts, category=UserWarning):
    """Return a version that warns as Lightning would."""
    given = {"__name__": "lightning.pytorch.made_up", "category": category}
    exec("import warnings\ndef warn(text): warnings.warn(text, category)", given)

    def version():
        for text in texts:
            given["warn"](text)
        return {"n": 1}

    return version


def printed(capsys, *versions):
    run(*versions, names=("Drops", "Returns"))
    return capsys.readouterr().out.partition("The answer is")[0].splitlines()[-7:]


@pytest.fixture(params=["", "1"], ids=["kernel", "strict kernel"])
def kernel(request, monkeypatch):
    """Filters as in a lesson's kernel."""
    monkeypatch.setenv("COURSE_STRICT", request.param)
    with preserve_global_state():
        _silence()
        if request.param:
            _refuse_deprecated_calls()
        yield


@pytest.mark.usefixtures("kernel")
def test_what_lightning_said_during_each_version_is_shown_before_the_answer(capsys):
    assert printed(capsys, warns("No loss."))[-2:] == [
        'Drops: Lightning says: "No loss."',
        "Returns: Lightning says nothing.",
    ]
    assert printed(capsys, nothing, warns("One.", "Two."))[-4:] == [
        "Drops: Lightning says nothing.",
        "Returns:",
        '    Lightning says: "One."',
        '    Lightning says: "Two."',
    ]


def test_what_both_versions_hear_is_shown_once(capsys):
    both = warns("Skipping val loop.")
    assert printed(capsys, both, both)[-1] == (
        'both versions: Lightning says: "Skipping val loop."'
    )
    assert printed(capsys)[-1] == "Lightning says nothing to either version."


def test_of_many_messages_four_are_shown_and_the_rest_is_counted(capsys):
    shown = printed(capsys, warns(*"abcdef"))
    assert shown[-6:-1] == [
        *(f'    Lightning says: "{letter}"' for letter in "abcd"),
        "    and 2 more",
    ]


def test_a_lesson_can_claim_on_what_was_said():
    result = run(warns("This fit will run with no optimizer"))
    assert result.bad.said == (
        Message("Lightning", "This fit will run with no optimizer"),
    )
    assert result.bad.says("no optimizer")
    assert not result.bad.says("no loss")
    assert not result.good.says("no optimizer")
    assert VersionResult().said == ()


def test_a_version_that_stopped_has_said_something_before():
    def version():
        warns("Careful.")()
        fails()

    result = run(version)
    assert result.bad.says("Careful.")
    assert result.bad.error == "ValueError: no such thing"


@pytest.mark.usefixtures("kernel")
def test_a_version_that_turns_warnings_into_errors_is_stopped_by_one():
    def version():
        warnings.simplefilter("error")
        warns("Careful.")()

    assert run(version).bad.error == "UserWarning: Careful."


def test_in_strict_mode_a_deprecated_call_still_stops_a_version():
    deprecated = warns("Old.", category=LightningDeprecationWarning)
    with preserve_global_state():
        _refuse_deprecated_calls()
        assert run(deprecated).bad.error == "LightningDeprecationWarning: Old."


def test_a_contrast_inside_a_version_keeps_its_messages_apart():
    inner = []

    def version():
        warns("Outer.")()
        inner.append(run(warns("Inner.")))
        return {"n": 1}

    result = run(version)
    assert [message.text for message in result.bad.said] == ["Outer."]
    assert [message.text for message in inner[0].bad.said] == ["Inner."]


def resets():
    warnings.resetwarnings()
    return warns("Careful.")()


@pytest.mark.parametrize("version", [warns("x"), resets, spoils, spoils_and_raises])
def test_afterwards_warnings_are_shown_as_before(version):
    filters, content, shown = (
        warnings.filters,
        [*warnings.filters],
        warnings.showwarning,
    )
    run(version, version)
    assert warnings.filters is filters
    assert warnings.filters == content
    assert warnings.showwarning is shown


def test_listening_costs_little():
    def cost(times):
        start = time.process_time()
        for _ in range(times):
            with collect_messages():
                pass
        return (time.process_time() - start) / times

    assert min(cost(5) for _ in range(3)) < 0.02
