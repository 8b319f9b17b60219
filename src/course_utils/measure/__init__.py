"""Measure training: seconds, bytes, copies, operations, updates, accuracy."""

from course_utils.measure.classification import accuracy
from course_utils.measure.in_memory_logger import AnyLogger, EpochEnds, InMemoryLogger
from course_utils.measure.memory import SavedTensors, peak_megabytes
from course_utils.measure.memory_trace import MemoryTrace
from course_utils.measure.metric_curve import MetricCurve
from course_utils.measure.modes import evaluation_mode
from course_utils.measure.operations import Operations
from course_utils.measure.optimizer_recorder import (
    AppliedRates,
    GradientNorms,
    OptimizerRecorder,
    OptimizerSteps,
    UpdateLog,
    flat_weights,
)
from course_utils.measure.shapes import ShapeError, checked
from course_utils.measure.timing import seconds
from course_utils.measure.training_memory import TrainingMemory
from course_utils.measure.workers import worker_processes

__all__ = [
    "AnyLogger",
    "AppliedRates",
    "GradientNorms",
    "EpochEnds",
    "InMemoryLogger",
    "MemoryTrace",
    "MetricCurve",
    "Operations",
    "OptimizerRecorder",
    "OptimizerSteps",
    "SavedTensors",
    "ShapeError",
    "TrainingMemory",
    "UpdateLog",
    "accuracy",
    "checked",
    "evaluation_mode",
    "flat_weights",
    "peak_megabytes",
    "seconds",
    "shapes",  # the module: lesson 11 runs its examples
    "worker_processes",
]
