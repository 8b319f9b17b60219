import pytest

from course_utils.experiments import gpu_line, gpu_record, recorded_on_gpu

PAIR = {"practice": "7.1", "name": "memory (MB)", "bad": 812.5, "good": 203}


@pytest.fixture
def recorded(monkeypatch):
    def write(card="Tesla T4", **changes):
        row = {"date": "2026-11-29", "failure": "", "pairs": [PAIR], **changes}
        content = {"setup": {"card": card}, "notebooks": {"notebooks/07_memory": row}}
        monkeypatch.setattr(gpu_record, "load", lambda: content)

    return write


def test_a_recorded_number_comes_with_card_and_date(recorded):
    recorded()
    found = recorded_on_gpu("7.1", "memory (MB)")
    assert (found.bad, found.good) == (812.5, 203)
    assert gpu_line("7.1", "memory (MB)") == (
        "On a Tesla T4 (2026-11-29), memory (MB): bad 812.5, good 203."
    )
    recorded(card="NVIDIA A10")
    assert gpu_line("7.1", "memory (MB)").startswith("On an NVIDIA A10 (")


@pytest.mark.parametrize(
    ("practice", "name"), [("7.1", "loss"), ("7.2", "memory (MB)"), ("6.1", "loss")]
)
def test_what_is_not_on_record_was_not_measured(recorded, practice, name):
    recorded()
    assert recorded_on_gpu(practice, name) is None
    assert gpu_line(practice, name) == "Nobody has measured this on a GPU yet."


def test_a_lesson_that_failed_there_is_not_quoted(recorded):
    recorded(failure="Cell 3 raised.")
    assert recorded_on_gpu("7.1", "memory (MB)") is None


def test_before_there_is_a_record_nothing_was_measured(monkeypatch):
    monkeypatch.setattr(gpu_record, "TABLE", "none.json")
    gpu_record.load.cache_clear()
    assert gpu_line("7.1", "memory (MB)") == "Nobody has measured this on a GPU yet."
    gpu_record.load.cache_clear()


def test_an_unknown_practice_is_refused():
    with pytest.raises(ValueError, match="Expected a practice from"):
        recorded_on_gpu("77.1", "loss")
