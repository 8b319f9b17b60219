"""Rates that rise to a peak in time and fall again, and rates that do not."""

import math

import pytest
import torch

from course_utils.exercises.lesson_08.warm_up import (
    AppliedMomenta,
    momentum_stays,
    warms_up,
)
from course_utils.measure import AppliedRates

N = 40


def rates(factor, n=N):
    return [0.1 * factor(i, n) for i in range(n)]


def lines(i, n, share=0.25):
    rise = share * n
    return min((i + 1) / rise, (n - i) / (n - rise), 1.0)


def cosine(i, n):
    rise = n // 4
    fall = 0.5 * (1 + math.cos(math.pi * (i - rise) / (n - rise)))
    return (i + 1) / rise if i < rise else fall


def one_cycle(n=N, **options):
    optimizer = torch.optim.SGD(
        [torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, n, pct_start=0.25, **options
    )
    with AppliedRates() as applied, AppliedMomenta() as momenta:
        for _ in range(N):
            optimizer.step()
            scheduler.step() if scheduler.last_epoch < n - 1 else None
    return applied.values, momenta.values


RIGHT = {
    "lines": rates(lines),
    "cosine": rates(cosine),
    "one cycle": one_cycle()[0],
    "one cycle along lines": one_cycle(anneal_strategy="linear")[0],
    "eight updates": rates(lines, 8),
    "a plateau": rates(lambda i, n: min(1.0, (i + 1) / 10, (n - i) / 20)),
}
WRONG = {
    "constant": (rates(lambda i, n: 1.0), "the rate is 0.1000 in all 40 updates."),
    "by epoch": (
        rates(lambda i, n: 0.04 + i // 20),
        "there are 2 rates in 40 updates.",
    ),
    "too low": (
        rates(lambda i, n: 0.3 * lines(i, n)),
        "the largest rate is 0.0300 inst",
    ),
    "too high": (rates(lambda i, n: 2 * lines(i, n)), "Lower the peak."),
    "too late": (
        rates(lambda i, n: lines(i, n, 0.5)),
        "update 20 of 40; wanted is 25 %",
    ),
    "from the peak": (
        rates(lambda i, n: 1 - i / n),
        "the peak comes in update 1 of 40",
    ),
    "stays up": (
        rates(lambda i, n: min(1.0, (i + 1) / 10) - 1e-5 * i),
        "the last rate is 0.1000. Count the updates",
    ),
    "too long": (one_cycle(160)[0], "the peak comes in update 40 of 40"),
    "starts high": (
        rates(lambda i, n: max(lines(i, n), 0.8) if i < 10 else lines(i, n)),
        "the first rate is 0.0800. Begin far below",
    ),
    "saw": (
        rates(lambda i, n: lines(i, n) * (0.5 if i % 5 == 3 else 1)),
        "does not rise once and fall once",
    ),
    "no update": ([], "there was no update."),
}


@pytest.mark.parametrize("applied", RIGHT.values(), ids=RIGHT)
def test_a_warm_up_in_time_is_found(applied):
    assert all(f.ok for f in warms_up(applied, 0.1, 0.25, "one epoch"))


@pytest.mark.parametrize(("applied", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_the_rates_is_said(applied, said):
    found = warms_up(applied, 0.1, 0.25, "one epoch")
    fault = next(finding for finding in found if not finding.ok)
    assert said in f"{fault.seen} {fault.remedy}"


MOMENTA = {
    "kept": ([0.9, 0.9], True, "the momentum is 0.900."),
    "cycled": (
        one_cycle()[1],
        False,
        "goes from 0.850 to 0.950. OneCycleLR also turns",
    ),
    "none": ([0.0, 0.0], False, "the momentum is 0.000."),
    "no update": ([], False, "the momentum is 0.000."),
}


@pytest.mark.parametrize(("momenta", "ok", "said"), MOMENTA.values(), ids=MOMENTA)
def test_a_momentum_that_moves_is_found(momenta, ok, said):
    finding = momentum_stays(momenta, 0.9, "one epoch")
    assert finding.ok is ok
    assert said in f"{finding.seen} {finding.remedy}"


def test_adam_has_no_momentum_of_that_name():
    weight = torch.nn.Parameter(torch.ones(1))
    with AppliedMomenta() as momenta:
        torch.optim.Adam([weight], betas=(0.8, 0.9)).step()
        torch.optim.SGD([weight], lr=0.1, momentum=0.9).step()
    assert momenta.values == [0.0, 0.9]
