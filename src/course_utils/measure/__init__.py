"""Measure training: seconds, bytes, copies, operations, updates, accuracy."""

from course_utils.measure.curve import MetricCurve
from course_utils.measure.memory import SavedTensors, peak_megabytes
from course_utils.measure.operations import Operations, OptimizerSteps
from course_utils.measure.predictions import accuracy
from course_utils.measure.timing import seconds
from course_utils.measure.trace import MemoryTrace
from course_utils.measure.training_memory import TrainingMemory
from course_utils.measure.workers import worker_processes

__all__ = [
    "MemoryTrace",
    "MetricCurve",
    "Operations",
    "OptimizerSteps",
    "SavedTensors",
    "TrainingMemory",
    "accuracy",
    "peak_megabytes",
    "seconds",
    "worker_processes",
]
