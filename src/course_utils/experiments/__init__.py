"""What a lesson measures and shows: contrasts, claims and their plots."""

from course_utils._lazy import lazy

_HOMES = {
    "preserve_global_state": "global_state",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
