"""The exercises of lesson 07, and the checks that only it uses."""

from course_utils._lazy import lazy

_HOMES = {
    "cache_on_gpu": "on_gpu",
    "speed_on_gpu": "on_gpu",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
