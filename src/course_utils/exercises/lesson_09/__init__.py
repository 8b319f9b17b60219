"""The exercises of lesson 09, and the checks that only it uses."""

from course_utils._lazy import lazy

_HOMES = {
    "keeps_the_best": "files_after_kill",
    "keeps_the_last": "files_after_kill",
    "checkpoints_after_kill": "files_after_kill",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
