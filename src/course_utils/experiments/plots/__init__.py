"""Pictures of what versions measured; each says its finding in words and as a table.

`contrast` draws one of its result, `show` one of any named measurements.
"""

from course_utils.experiments.plots.bars import Bars, StackedBars
from course_utils.experiments.plots.base import Picture, show
from course_utils.experiments.plots.cells import Cells
from course_utils.experiments.plots.histogram import Histogram
from course_utils.experiments.plots.images import Images
from course_utils.experiments.plots.lines import Lines, Sweep
from course_utils.experiments.plots.panels import Panels, PredictedVsTrue
from course_utils.experiments.plots.stacks import Stacks
from course_utils.experiments.plots.weights_in_mean import WeightsInMean

__all__ = [
    "Bars",
    "Cells",
    "Histogram",
    "Images",
    "Lines",
    "Panels",
    "Picture",
    "PredictedVsTrue",
    "StackedBars",
    "Stacks",
    "Sweep",
    "WeightsInMean",
    "show",
]
