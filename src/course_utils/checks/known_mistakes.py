"""Compare a value with the exact one and with those of known mistakes."""

from collections.abc import Mapping

from course_utils.checks.finding import Finding

TOLERANCE = 1e-5


def value_is(
    value: float,
    truth: float,
    mistakes: Mapping[str, float],
    *,
    seen: str,
    otherwise: str,
    tolerance: float = TOLERANCE,
) -> Finding:
    """Return a finding on whether ``value`` equals ``truth``.

    Args:
        value: What was found.
        truth: What it should be.
        mistakes: What a value means that equals a known wrong one: sentences, each with
            that value, for example ``{"This is the mean of batch scores.": 0.61}``.
        seen: The comparison as a sentence.
        otherwise: The remedy for a value that equals none of these.
        tolerance: Difference that is allowed, relative for values above 1.
    """

    def equals(other: float) -> bool:
        return abs(value - other) <= tolerance * max(1.0, abs(other))

    why = [sentence for sentence, wrong in mistakes.items() if equals(wrong)]
    return Finding(seen, equals(truth), why[0] if why else otherwise)
