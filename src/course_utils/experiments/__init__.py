"""What a lesson measures and shows: contrasts, claims and their plots."""

from course_utils._lazy import lazy

_HOMES = {
    "gpu_line": "gpu_record",
    "gpu_table": "gpu_record",
    "preserve_global_state": "global_state",
    "recorded_on_gpu": "gpu_record",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
