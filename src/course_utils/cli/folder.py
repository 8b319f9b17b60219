"""The folder of the course, and the lessons that a command names."""

from collections.abc import Iterable
from pathlib import Path

from course_utils import syllabus
from course_utils.cli.copy_place import course_of
from course_utils.syllabus import Lesson


def _holds_lessons(folder: Path) -> bool:
    names = {lesson.file for lesson in syllabus.load().lessons}
    return any(path.stem in names for path in (folder / "notebooks").glob("*.ipynb"))


def course_folder() -> Path:
    """Return the folder that holds ``notebooks/``.

    It is the working directory or a parent of it, or, if that is a learner's copy, the
    course that it was made from; else the clone of the repository that these helpers
    were installed from.

    Raises:
        ValueError: If none of them holds a lesson.
    """
    here = Path.cwd()
    clone = Path(__file__).resolve().parents[3]
    for folder in (here, *here.parents, clone):
        course = course_of(folder) or folder
        if _holds_lessons(course):
            return course
    raise ValueError(
        f"Expected the course's notebooks/ in {here} or above it but found none: "
        "change to the folder of the course and try again."
    )


def chosen_lessons(names: Iterable[str] | None) -> tuple[Lesson, ...]:
    """Return the lessons with these names, each once; without names, all ready ones.

    Args:
        names: Ids such as ``12``, file names, or paths of notebooks.

    Raises:
        ValueError: If there is no such lesson, or it is not written yet.
    """
    course = syllabus.load()
    chosen = [course.lesson(Path(name).name) for name in names or ()]
    for lesson in chosen:
        if not lesson.ready:
            known = ", ".join(each.id for each in course.ready)
            raise ValueError(
                f"Expected a lesson that is ready ({known}) but got {lesson.id}, which "
                "is only planned."
            )
    return tuple(dict.fromkeys(chosen)) or course.ready
