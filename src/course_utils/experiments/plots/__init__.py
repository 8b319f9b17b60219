"""The pictures a contrast can draw; each says its finding in words and as a table."""

from course_utils.experiments.plots.against_share import Against
from course_utils.experiments.plots.bars import Bars
from course_utils.experiments.plots.base import Picture, show
from course_utils.experiments.plots.curves import Curves
from course_utils.experiments.plots.distance import Distance
from course_utils.experiments.plots.grid import Grid
from course_utils.experiments.plots.histogram import Distribution
from course_utils.experiments.plots.images import Images
from course_utils.experiments.plots.matrix import Matrix
from course_utils.experiments.plots.outcome_grid import Outcomes
from course_utils.experiments.plots.panels import Panels
from course_utils.experiments.plots.picked_step import Picks
from course_utils.experiments.plots.predicted_vs_true import Diagonal
from course_utils.experiments.plots.stacked_bars import Stack
from course_utils.experiments.plots.sweep import Sweep
from course_utils.experiments.plots.weights_in_mean import Shares
from course_utils.experiments.plots.xy_curves import Over

__all__ = [
    "Against",
    "Bars",
    "Curves",
    "Diagonal",
    "Distance",
    "Distribution",
    "Grid",
    "Images",
    "Matrix",
    "Outcomes",
    "Over",
    "Panels",
    "Picks",
    "Picture",
    "Shares",
    "Stack",
    "Sweep",
    "show",
]
