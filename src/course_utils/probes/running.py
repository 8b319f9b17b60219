"""Run a learner's code so that its errors are told from the probe's own."""

import contextlib
import io
import traceback
from collections.abc import Iterator
from pathlib import Path

_HERE = str(Path(__file__).parent.parent)


class LearnerError(Exception):
    """The code under examination raised; the message is one sentence for its author."""


class CannotCheck(Exception):
    """The question cannot be decided on this machine; the message says why."""


def place_in_learners_code(error: BaseException) -> str:
    """Return for example ``" (line 5, in training_step)"``, ``""`` if there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        ours = frame.filename.startswith(_HERE)
        if not ours and "site-packages" not in frame.filename:
            return f" (line {frame.lineno}, in {frame.name})"
    return ""


@contextlib.contextmanager
def learners_code(name: str) -> Iterator[None]:
    """Run a block of the learner's code silently; its errors become `LearnerError`.

    Args:
        name: What is run, for the message, for example ``"training_step"``.
    """
    silent = io.StringIO()
    try:
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            yield
    except (LearnerError, CannotCheck):
        raise
    except SystemExit as error:
        raise LearnerError(
            f"{name} left Python with `exit`; return instead."
        ) from error
    except Exception as error:
        first = (str(error).strip() or "no message").splitlines()[0].rstrip(".")
        kind, place = type(error).__name__, place_in_learners_code(error)
        raise LearnerError(f"{name} raised {kind}: {first}{place}.") from error
