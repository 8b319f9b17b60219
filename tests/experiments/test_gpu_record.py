import json

import pytest

from course_utils.experiments import gpu_line, gpu_record, gpu_table, recorded_on_gpu

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


STAGES = {
    "32-true": lambda: {"images per second": 100.0, "allocated (MB)": 8},
    "bf16-mixed": lambda: {"images per second": 250.5, "allocated (MB)": 5},
}
ROWS = (
    "            images per second  allocated (MB)\n"
    "32-true     100                8\n"
    "bf16-mixed  250.5              5"
)


def on_gpu(monkeypatch):
    monkeypatch.setattr(gpu_record.hardware, "profile", lambda: gpu_record.hardware.GPU)
    card = {"card": "Tesla T4"}
    monkeypatch.setattr(gpu_record.hardware, "gpu_details", lambda: card)


def test_with_a_gpu_every_stage_is_measured_and_saved(monkeypatch, tmp_path):
    on_gpu(monkeypatch)
    file = tmp_path / "evidence.jsonl"
    monkeypatch.setenv("COURSE_EVIDENCE", str(file))
    assert gpu_table("7.1", STAGES) == f"On this machine's Tesla T4:\n{ROWS}"
    saved = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [each["name"] for each in saved] == [
        "32-true: images per second",
        "32-true: allocated (MB)",
        "bf16-mixed: images per second",
        "bf16-mixed: allocated (MB)",
    ]
    assert (saved[2]["bad"], saved[2]["good"]) == (100.0, 250.5)


def test_without_a_gpu_the_table_is_that_of_the_record(recorded):
    pairs = [
        {"practice": "7.1", "name": f"{stage}: {name}", "bad": 0, "good": value}
        for stage, measure in STAGES.items()
        for name, value in measure().items()
    ]
    recorded(pairs=[*pairs, PAIR])
    assert gpu_table("7.1", STAGES) == f"On a Tesla T4 (2026-11-29):\n{ROWS}"
    assert gpu_table("7.4", STAGES) == "Nobody has measured this on a GPU yet."


def test_without_a_gpu_nothing_is_run(recorded):
    recorded(pairs=[])
    fails = {"32-true": lambda: pytest.fail("it ran")}
    assert gpu_table("7.1", fails) == "Nobody has measured this on a GPU yet."
