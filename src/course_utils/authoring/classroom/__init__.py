"""For a class: agendas, an instructor's page and slides per lesson, hand-ins."""

from pathlib import Path


def write_pages(folder: Path) -> None:
    """Write the instructor's pages, in Markdown, into ``folder/teaching``.

    Args:
        folder: Where a site's sources are collected.
    """
    from course_utils.authoring.classroom import pages

    pages.write(folder / "teaching")


def write_slides(folder: Path) -> None:
    """Write a deck per lesson and the sheet of practices into ``folder/slides``.

    The files open in a browser without a network.

    Args:
        folder: Where a site is built.

    Raises:
        ValueError: If no copy of reveal.js is installed.
    """
    from course_utils.authoring.classroom import slides

    slides.write(folder / "slides")
