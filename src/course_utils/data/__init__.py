"""Images: shipped, cached, found or downloaded, and split by a seed."""

from course_utils._lazy import lazy

_HOMES = {
    "ImageDataModule": "data_module",
    "SlowStorage": "slow_storage",
    "scaled": "data_module",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
