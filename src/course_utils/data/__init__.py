"""Images: shipped with the course, cached, found or downloaded; split by a seed."""

from course_utils._lazy import lazy

_HOMES = {
    "ImageDataModule": "data_module",
    "SlowStorage": "in_memory",
    "open_dataset": "locate",
    "scaled": "in_memory",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
