"""The questions of the course, asked of a reader's own code: by reading, by running."""

from course_utils._lazy import lazy

_HOMES = {
    "Finding": "report",
    "Report": "report",
    "Unasked": "report",
    "ask": "run",
    "check_script": "tryout.verdict",
    "copy_script": "tryout.script",
    "hint": "tryout.verdict",
    "read": "reading",
    "run_script": "tryout.script",
    "show_repair": "tryout.script",
    "show_script": "tryout.script",
    "write_solution": "tryout.script",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
