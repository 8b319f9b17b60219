"""Run a learner's code and tell its errors from those of the checks."""

import contextlib
import io
import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning import LightningModule
from torch import nn

_HERE = str(Path(__file__).parent.parent)
_STDLIB = sysconfig.get_path("stdlib")
# What torch says and what it means for the author of a training step.
_MEANINGS = {
    "backward through the graph a second time": (
        "the loss went through backward twice, by you and by Lightning"
    ),
    "does not require grad": "the loss has no gradient, return it undetached",
    "modified by an inplace operation": (
        "a tensor that the backward pass needs was changed in place"
    ),
}


class LearnerError(Exception):
    """The code under examination raised; the message is one sentence for its author."""


class CannotCheck(Exception):
    """The question cannot be decided on this machine; the message says why."""


def is_learners(file: str) -> bool:
    """Return whether code of this file is the learner's, and not of a library."""
    installed = "site-packages" in file or "dist-packages" in file
    frozen = file.startswith("<frozen ")
    return not (file.startswith((_HERE, _STDLIB)) or installed or frozen)


def place_in_learners_code(error: BaseException) -> str:
    """Return for example ``" (line 5, in training_step)"``, ``""`` if there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_learners(frame.filename):
            return f" (line {frame.lineno}, in {frame.name})"
    return ""


def in_words(error: BaseException) -> str:
    """Return type, first line and place: ``"KeyError: 'x' (line 2, in f)"``.

    For errors of torch that name a symptom, the meaning stands instead of the text.
    """
    first, *more = (str(error).strip() or "no message").splitlines()
    text = f"{first} {more[0].strip()}" if first.endswith(":") and more else first
    text = text.rstrip(".")
    text = next((m for words, m in _MEANINGS.items() if words in text), text)
    return f"{type(error).__name__}: {text}{place_in_learners_code(error)}"


def has_forward(module: nn.Module) -> bool:
    """Return whether the class of ``module`` defines a forward pass."""
    return type(module).forward not in (nn.Module.forward, LightningModule.forward)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Run a block without what it prints."""
    silent = io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        yield


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Run a block in an empty working folder, which is removed afterwards."""
    before = os.getcwd()
    with TemporaryDirectory(prefix="course-", ignore_cleanup_errors=True) as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


@contextlib.contextmanager
def learners_code(name: str) -> Iterator[None]:
    """Run a block of the learner's code silently; its errors become `LearnerError`.

    Args:
        name: What is run, for the message, for example ``"training_step"``.
    """
    try:
        with silenced():
            yield
    except (LearnerError, CannotCheck):
        raise
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # Lightning turns it so
            raise KeyboardInterrupt from error
        raise LearnerError(
            f"{name} left Python with `exit`; return instead."
        ) from error
    except Exception as error:
        raise LearnerError(f"{name} raised {in_words(error)}.") from error
