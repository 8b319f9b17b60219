"""A guard is held against both versions."""

import pytest

from course_utils.experiments.guards import try_guard


def guard(updates: int) -> None:
    assert updates == 8, f"{updates} updates, expected 8"


def test_a_guard_that_tells_the_versions_apart_is_shown_with_its_words(capsys):
    try_guard("1.1", bad=lambda: guard(32), good=lambda: guard(8))
    assert capsys.readouterr().out == (
        "✓ 1.1 the guard stops the bad version and lets the good one pass\n"
        "It says: AssertionError: 32 updates, expected 8\n"
    )


@pytest.mark.parametrize(
    ("bad", "good", "said"),
    [
        (8, 8, "It says: nothing"),
        (32, 9, "To the good version: AssertionError: 9 updates, expected 8"),
    ],
)
def test_a_guard_that_does_not_is_a_broken_claim(capsys, bad, good, said):
    try_guard("1.1", bad=lambda: guard(bad), good=lambda: guard(good))
    printed = capsys.readouterr().out
    assert printed.startswith("✗ 1.1 ")
    assert said in printed


def test_a_guard_leaves_no_trace_and_its_prints_are_not_shown(capsys):
    import torch

    before = torch.get_rng_state()

    def noisy() -> None:
        print("noise", torch.rand(1))
        raise ValueError

    try_guard("1.1", bad=noisy, good=lambda: None)
    assert torch.equal(torch.get_rng_state(), before)
    assert "noise" not in capsys.readouterr().out


def test_which_process_was_first_is_not_told(capsys):
    def two() -> None:
        raise RuntimeError("Rank 1 raised AssertionError: they differ. The log ...")

    try_guard("1.1", bad=two, good=lambda: None)
    said = "It says: RuntimeError: A process raised AssertionError: they differ.\n"
    assert capsys.readouterr().out.endswith(said)
