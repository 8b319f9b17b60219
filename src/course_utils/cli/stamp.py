"""``course stamp``: the copy of the course that opens alone in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from course_utils.cli.folder import course_folder
from course_utils.cli.terminal import check_installed, complain, one_sentence


def stamp(
    home: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME@BRANCH",
            help="Where on GitHub the copy will lie; by default GITHUB_REPOSITORY or "
            "git's origin, and the branch `published`.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Write the copy here.")
    ] = Path("published"),
    hub: Annotated[
        str,
        typer.Option(metavar="URL", help="A JupyterHub that has nbgitpuller."),
    ] = "",
) -> None:
    """Write the copy of the course that opens on Colab, Kaggle and the like.

    Buttons, links and the address of the helpers are those of its home; a fork that
    publishes it needs no edit. The course itself is not changed.
    """
    with one_sentence():
        check_installed("nbformat", "nbformat, which reads notebooks,", "nbformat")
        from course_utils.authoring.stamp import WHEEL, Home, find_home, publish

        folder = course_folder()
        to = Home.parse(home) if home else find_home(folder)
        count = publish(folder, output, to, hub)
    typer.echo(f"{count} notebooks for {to} are in {output}.")
    if not (output / WHEEL).is_file():
        complain(
            f"They fetch {WHEEL}, which is not there yet: run `python -m pip wheel "
            f"--no-deps --wheel-dir {output} {folder}`."
        )
