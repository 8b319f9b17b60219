"""The pictures a contrast can draw; each says its finding in words and as a table."""

from course_utils.figures.against import Against
from course_utils.figures.bars import Bars
from course_utils.figures.curves import Curves
from course_utils.figures.diagonal import Diagonal
from course_utils.figures.distance import Distance
from course_utils.figures.distribution import Distribution
from course_utils.figures.grid import Grid
from course_utils.figures.images import Images
from course_utils.figures.matrix import Matrix
from course_utils.figures.outcomes import Outcomes
from course_utils.figures.over import Over
from course_utils.figures.panels import Panels
from course_utils.figures.picks import Picks
from course_utils.figures.picture import Picture, show
from course_utils.figures.shares import Shares
from course_utils.figures.stack import Stack
from course_utils.figures.sweep import Sweep

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
