"""Where a learner's copy of the lessons lies, and how it is told from a course."""

import hashlib
import json
import os
from errno import EACCES, EPERM, EROFS
from pathlib import Path
from typing import Any

from course_utils.data.cache import ensure_writable

NAME = "my_lessons"
HIDDEN = ".course"  # in the copy: its state, and files on their way to their place
STATE = "state.json"


def state(folder: Path) -> dict[str, Any]:
    """Return the state of the copy in ``folder``; ``{}`` if it is none, or damaged."""
    try:
        found = json.loads((folder / HIDDEN / STATE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def course_of(folder: Path) -> Path | None:
    """Return the folder of the course that ``folder`` is a copy of, if it is a copy."""
    course = state(folder).get("course")
    return Path(course) if isinstance(course, str) else None


def _is_own(folder: Path) -> bool:
    # A folder that several people can write holds the copy of the first of them.
    user = os.getuid() if hasattr(os, "getuid") else 0
    return user == 0 or folder.stat().st_uid == user


def places(course: Path) -> list[Path]:
    """Return where the copy of ``course`` may lie, in order of preference.

    ``COURSE_LESSONS`` names it. Otherwise it lies beside ``notebooks/`` or, if the
    course is installed for several people, in the home folder, under a name that tells
    two courses apart.
    """
    if chosen := os.environ.get("COURSE_LESSONS"):
        return [Path(os.path.expanduser(chosen)).absolute()]
    name = f"{course.name}-{hashlib.sha256(os.fsencode(course)).hexdigest()[:8]}"
    return [course / NAME, Path.home() / "lightning-course" / name]


def find(course: Path) -> Path | None:
    """Return the folder of this user's copy of ``course``; None if there is none."""
    there = (each for each in places(course) if os.path.isdir(each / HIDDEN))
    return next(filter(_is_own, there), None)


def make(course: Path) -> Path:
    """Return a folder for a new copy.

    Raises:
        OSError: If none can be written.
    """
    *before, last = places(course)
    for place in before:
        try:
            if _is_own(ensure_writable(place)):
                return place
        except OSError as error:
            # On a full disk the lessons must not move to where nobody expects them.
            if error.errno not in (EACCES, EPERM, EROFS):
                raise
    return ensure_writable(last)
