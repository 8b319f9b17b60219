"""What every test of a picture needs: the figure, drawn as `show` lays it out."""

import pytest
from matplotlib.figure import Figure

from course_utils.experiments.plots.base import versions_of


@pytest.fixture
def drawn():
    def draw(picture, data) -> Figure:
        figure = Figure(figsize=picture.size, layout="constrained")
        picture.draw(figure, versions_of(data))
        figure.draw_without_rendering()
        return figure

    return draw


@pytest.fixture
def legend(drawn):
    def names(picture, data) -> list[str]:
        legends = drawn(picture, data).legends
        return [text.get_text() for each in legends for text in each.get_texts()]

    return names


@pytest.fixture
def alt():
    return lambda picture, data: picture.alt(versions_of(data))


@pytest.fixture
def table():
    return lambda picture, data: picture.table(versions_of(data))
