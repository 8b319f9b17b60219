"""Questions asked of a module by running it; each serves two lessons or more."""

from course_utils._lazy import lazy

_HOMES = {
    "AppliedRates": "learning_rates",
    "Place": "interrupted_run",
    "RunTrace": "run_trace",
    "coverage": "run_trace",
    "culprits": "weights_only",
    "distances": "run_trace",
    "disturb": "data_splits",
    "is_device_fault": "devices",
    "pretended_gpus": "fake_gpus",
    "pretended_tensors": "fake_tensors",
    "resumes_exactly": "exact_resume",
    "runs_on": "devices",
    "splits_hold": "data_splits",
}
__all__ = list(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
