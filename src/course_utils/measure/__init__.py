"""Measure training: seconds, bytes, copies, operations, updates, accuracy."""

from course_utils.measure.accuracy import accuracy
from course_utils.measure.in_memory_logger import EpochEnds, Logbook
from course_utils.measure.memory import SavedTensors, peak_megabytes
from course_utils.measure.memory_trace import MemoryTrace
from course_utils.measure.metric_curve import MetricCurve
from course_utils.measure.operations import Operations, OptimizerSteps
from course_utils.measure.shapes import ShapeError, checked
from course_utils.measure.timing import seconds
from course_utils.measure.training_memory import TrainingMemory
from course_utils.measure.update_recorder import UpdateLog
from course_utils.measure.workers import worker_processes

__all__ = [
    "EpochEnds",
    "Logbook",
    "ShapeError",
    "UpdateLog",
    "checked",
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
