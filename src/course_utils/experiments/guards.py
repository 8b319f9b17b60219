"""Try a guard, the few lines that a reader takes along, on both versions."""

import contextlib
import io
import re
from collections.abc import Callable

from course_utils.experiments.claims import GUARD_HELD, claim
from course_utils.experiments.global_state import preserve_global_state
from course_utils.formatting import wrapped

_SENTENCE = re.compile(r"(?<=[.!?]) ")


def _message(version: Callable[[], object]) -> str:
    """Return type and first sentence of what a version raises, or ``""``."""
    with preserve_global_state(), contextlib.redirect_stdout(io.StringIO()):
        try:
            version()
        except Exception as error:
            text = (str(error).strip() or "no message").splitlines()[0]
            # Which of several processes is first is a matter of chance.
            text = re.sub(r"^Rank \d+ raised", "A process raised", text)
            return f"{type(error).__name__}: {_SENTENCE.split(text)[0]}"
    return ""


def try_guard(
    practice: str, *, bad: Callable[[], object], good: Callable[[], object]
) -> None:
    """Claim that a guard stops the bad version and lets the good one pass.

    Prints the claim, then what the guard says to the bad version.

    Args:
        practice: Practice id, for example ``"1.1"``.
        bad: Runs the guard on the bad version; must raise.
        good: Runs the guard on the good version; must not.
    """
    stopped, refused = _message(bad), _message(good)
    claim(practice, GUARD_HELD, bool(stopped and not refused))
    print(wrapped(f"It says: {stopped or 'nothing'}", indent="  "))
    if refused:
        print(f"To the good version: {refused}")
