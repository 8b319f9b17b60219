"""The learner's own copy of the lessons: laid, renewed on request, never lost.

It lies where git does not look, so that working in a lesson changes no file of the
course. A file of the copy counts as the learner's as soon as one byte differs from what
was laid there. Such a file is never overwritten.
"""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from course_utils.cli.copy_place import HIDDEN, STATE, find, make, places, state
from course_utils.cli.originals import LESSONS, Original, digest, originals
from course_utils.data.cache import DataError, remove_abandoned
from course_utils.syllabus import Lesson


@dataclass
class LearnerCopy:
    """The learner's copy of one course; use `opened` to get it.

    Attributes:
        course: The folder of the course; only read.
        folder: The folder of the copy.
        laid: For each file its digest as it was laid, ``""`` if it was not laid here,
            and the version of the course's file that the learner has got.
    """

    course: Path
    folder: Path
    laid: dict[str, tuple[str, str]]

    def __post_init__(self) -> None:
        """Read the course's files."""
        every = dict(originals(self.course))
        self._files = {n: o for n, o in every.items() if isinstance(o, Original)}
        self.damaged = [each for each in every.values() if isinstance(each, str)]

    def _is_untouched(self, name: str, original: Original) -> bool:
        # Equal to the new file: an update was interrupted before it could be noted.
        there = digest((self.folder / name).read_bytes())
        return there in (self.laid.get(name, ("",))[0], digest(original.content))

    def _stage(self, content: bytes) -> Path:
        """Write content where it is not seen yet, so that a full disk shows first."""
        hidden = self.folder / HIDDEN
        hidden.mkdir(parents=True, exist_ok=True)
        remove_abandoned(hidden, "*.part")
        part = hidden / f"{uuid.uuid4().hex}.part"
        try:
            part.write_bytes(content)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def _free(self, name: str, word: str) -> Path:
        """Reserve a name beside a file, such as ``12_topic_old1.ipynb``; return it."""
        target, number = self.folder / name, 1
        while True:
            beside = target.with_name(f"{target.stem}_{word}{number}{target.suffix}")
            with suppress(FileExistsError):
                beside.touch(exist_ok=False)
                return beside
            number += 1

    def _lay(self, name: str, original: Original) -> None:
        """Put the course's file in place of one that is not the learner's."""
        target, laid = self.folder / name, digest(original.content)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_file() or digest(target.read_bytes()) != laid:
            os.replace(self._stage(original.content), target)
        self.laid[name] = laid, original.version

    def _lay_beside(self, name: str, original: Original) -> Path:
        """Put the course's file beside the learner's; return it.

        An update that was interrupted may have put it there already.
        """
        target, laid = self.folder / name, digest(original.content)
        for there in sorted(target.parent.glob(f"{target.stem}_new*{target.suffix}")):
            if digest(there.read_bytes()) == laid:
                return there
        part, free = self._stage(original.content), self._free(name, "new")
        os.replace(part, free)
        return free

    def start(self) -> list[str]:
        """Lay what is missing; return the files of which the course has a new version.

        A file as it was laid gets the metadata of today's Python and Jupyter.
        """
        newer = []
        for name, original in self._files.items():
            known = self.laid.get(name, ("", original.version))
            if not (self.folder / name).exists():
                self._lay(name, original)
            elif known[1] != original.version:
                newer.append(name)
            elif self._is_untouched(name, original):
                self._lay(name, original)
            else:  # the learner's; perhaps it was here before the copy
                self.laid[name] = known
        return newer

    def update(self) -> tuple[list[str], list[Path]]:
        """Lay the new versions; beside a file that is the learner's if there is one.

        Returns:
            The files that were replaced, and those that were laid beside the learner's.
        """
        replaced, beside = [], []
        for name in self.start():
            original = self._files[name]
            if self._is_untouched(name, original):
                self._lay(name, original)
                replaced.append(name)
                continue
            beside.append(self._lay_beside(name, original))
            self.laid[name] = self.laid[name][0], original.version
        return replaced, beside

    def reset(self, lesson: Lesson) -> Path | None:
        """Make a fresh copy of a lesson; return where the old one is, if there was one.

        Raises:
            ValueError: If the course does not have the lesson's notebook.
        """
        name = f"{LESSONS}/{lesson.file}.ipynb"
        original = self._files.get(name)
        if original is None:
            raise ValueError(" ".join(self.damaged) or f"The course has no {name}.")
        target, kept = self.folder / name, None
        if target.exists() and not self._is_untouched(name, original):
            part, kept = self._stage(original.content), self._free(name, "old")
            os.replace(target, kept)
            os.replace(part, target)
        self._lay(name, original)
        return kept

    def save(self) -> None:
        """Write down what was laid."""
        now = {"course": str(self.course), "laid": self.laid}
        if state(self.folder) != json.loads(json.dumps(now)):
            part = self._stage(json.dumps(now, indent=1).encode())
            os.replace(part, self.folder / HIDDEN / STATE)


def _known(folder: Path) -> dict[str, tuple[str, str]]:
    laid = state(folder).get("laid")
    entries = laid.items() if isinstance(laid, dict) else ()
    pairs = {name: e for name, e in entries if isinstance(e, list) and len(e) == 2}
    return {
        name: (str(digest), str(version)) for name, (digest, version) in pairs.items()
    }


@contextmanager
def opened(course: Path) -> Iterator[LearnerCopy]:
    """Yield the learner's copy of ``course``; what was laid is noted at the end.

    Raises:
        DataError: If its folder cannot be written. What the learner has stays.
        ValueError: If ``COURSE_LESSONS`` is the course itself.
    """
    folder = None
    try:
        folder = find(course) or make(course)
        if folder.resolve() == course.resolve():
            raise ValueError(
                f"Expected COURSE_LESSONS to be a folder of your own but got {folder}, "
                "the course itself; unset it, or name another one."
            )
        copy = LearnerCopy(course, folder, _known(folder))
        try:
            yield copy
        finally:
            copy.save()
    except OSError as error:
        raise DataError(
            f"Expected to write your lessons to {folder or places(course)[0]} but got "
            f"{error.strerror or error}: make room there, or set COURSE_LESSONS to a "
            "folder of your own. What is in your lessons is still there."
        ) from error
