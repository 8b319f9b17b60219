"""The exercises of lesson 09, and the checks that only it uses."""

from course_utils._lazy import lazy

_HOMES = {
    "keeps_the_best": "kept_checkpoints",
    "keeps_the_last": "kept_checkpoints",
    "checkpoints_after_kill": "files_after_kill",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
