"""The exercises of lesson 03, and the checks that only it uses."""

from course_utils._lazy import lazy

_HOMES = {
    "survives_reload": "reload",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
