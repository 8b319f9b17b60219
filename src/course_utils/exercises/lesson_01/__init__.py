"""The exercises of lesson 01, and the checks that only it uses."""

from course_utils._lazy import lazy

_HOMES = {
    "obeys_accumulation": "trainer_flags",
    "obeys_clipping": "trainer_flags",
    "replicas_agree": "replicas",
    "splits_hold": "data_splits",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
