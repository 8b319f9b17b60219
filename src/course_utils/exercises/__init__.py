"""Check an exercise, ask for a hint, see the solution."""

from course_utils.exercises.api import check, hint, solution

__all__ = ["check", "hint", "solution"]
