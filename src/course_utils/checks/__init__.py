"""Questions asked of a module by running it; each serves two lessons or more."""

from course_utils._lazy import lazy

_HOMES = {
    "Place": "interrupted_run",
    "RunTrace": "run_trace",
    "coverage": "run_trace",
    "unloadable_values": "weights_only",
    "distances": "run_trace",
    "scramble_global_rngs": "data_splits",
    "is_device_fault": "devices",
    "simulated_gpus": "fake_gpus",
    "simulated_tensors": "fake_tensors",
    "resumes_exactly": "exact_resume",
    "runs_on": "devices",
    "splits_hold": "data_splits",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
