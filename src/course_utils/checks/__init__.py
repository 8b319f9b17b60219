"""Checks that run a learner's module; each serves several lessons or the capstone."""

from course_utils._lazy import lazy

_HOMES = {
    "Place": "interrupted_run",
    "RunTrace": "run_trace",
    "coverage": "run_trace",
    "distances": "run_trace",
    "is_device_fault": "fake_tensors",
    "resumes_exactly": "exact_resume",
    "runs_on": "devices",
    "scramble_global_rngs": "global_rngs",
    "simulated_gpus": "fake_gpus",
    "simulated_tensors": "fake_tensors",
    "unloadable_values": "weights_only",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
