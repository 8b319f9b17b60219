"""Which packages the project requires, in which range, and the versions pinned."""

import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
PINNED = "constraints.txt"  # what CI runs
LOWEST = "constraints-oldest.txt"  # every range at its lower bound
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def _by_name(requirements: Iterable[Requirement]) -> dict[str, Requirement]:
    return {canonicalize_name(each.name): each for each in requirements}


def required(*extras: str) -> dict[str, Requirement]:
    """Return what the package needs, and what ``extras`` add, by canonical name."""
    added = [line for extra in extras for line in EXTRAS[extra]]
    return _by_name(map(Requirement, [*PROJECT["dependencies"], *added]))


def needed_on(
    requirement: Requirement, environment: dict[str, str] | None = None
) -> bool:
    """Return whether a Python needs the package at all.

    Args:
        requirement: The package, perhaps with a marker.
        environment: What differs there from this Python, as markers name it.
    """
    marker = requirement.marker
    return marker is None or marker.evaluate(environment)


def lines(file: str = PINNED) -> list[Requirement]:
    """Return all lines of a file of constraints; a marker says where each counts."""
    text = (ROOT / file).read_text("utf-8").splitlines()
    return [Requirement(line) for line in text if line and not line.startswith("#")]


def pins(file: str = PINNED) -> dict[str, Requirement]:
    """Return the lines of ``file`` that count on this Python, by canonical name."""
    return _by_name(filter(needed_on, lines(file)))


def pinned_version(pin: Requirement) -> Version:
    """Return the one version that a pin allows."""
    [only] = pin.specifier
    assert only.operator == "==", pin
    return Version(only.version)
