"""Settings from environment variables: seed, evidence file, images, kernels, more."""

import os
from collections.abc import Mapping
from pathlib import Path

DEFAULT_KERNEL = "ready"


def seed() -> int:
    """Return the seed of every experiment: ``COURSE_SEED``, or 0.

    Raises:
        ValueError: If ``COURSE_SEED`` is not a whole number from 0 to 4294967295.
    """
    text = os.environ.get("COURSE_SEED", "0")
    if not text.isdecimal() or int(text) >= 2**32:
        raise ValueError(
            "Expected COURSE_SEED to be a whole number from 0 to 4294967295 "
            f"but got {text!r}; unset it to use 0."
        )
    return int(text)


def strict() -> bool:
    """Return whether the course's own deprecated calls are errors: ``COURSE_STRICT=1``.

    The course's tests set it; in a learner's kernel such a call only warns.
    """
    return os.environ.get("COURSE_STRICT") == "1"


def evidence_file() -> Path | None:
    """Return the file that claims are appended to: ``COURSE_EVIDENCE``, if set."""
    name = os.environ.get("COURSE_EVIDENCE", "")
    return Path(name) if name else None


def _is_set(name: str, value: str, remedy: str = "") -> bool:
    text = os.environ.get(name, "")
    if text not in ("", value):
        raise ValueError(
            f"Expected {name} to be {value!r} or unset but got {text!r}{remedy}."
        )
    return text == value


def cpu_only() -> bool:
    """Return whether to leave a GPU alone: ``COURSE_DEVICE=cpu``.

    Raises:
        ValueError: If it is set to something else.
    """
    return _is_set("COURSE_DEVICE", "cpu", "; unset it to use a GPU that works")


def all_images() -> bool:
    """Return whether to use all images of a data set: ``COURSE_IMAGES=all``.

    Raises:
        ValueError: If it is set to something else.
    """
    return _is_set("COURSE_IMAGES", "all")


def kernel(variables: Mapping[str, str] | None = None) -> str:
    """Return how kernels are to start: ``COURSE_KERNEL``, or `DEFAULT_KERNEL`.

    Args:
        variables: Of the kernel; by default those of this process.

    Raises:
        ValueError: If it is set to something else than ``ready`` or ``ordinary``.
    """
    text = (os.environ if variables is None else variables).get("COURSE_KERNEL", "")
    text = text or DEFAULT_KERNEL
    if text not in ("ready", "ordinary"):
        raise ValueError(
            "Expected COURSE_KERNEL to be 'ready' or 'ordinary' or unset but got "
            f"{text!r}."
        )
    return text
