"""``course reset`` and ``course update``: fresh lessons in the learner's copy."""

from typing import Annotated

import typer

from course_utils.cli import learner_copy
from course_utils.cli.folder import chosen_lessons, course_folder
from course_utils.cli.terminal import one_sentence


def reset(
    lesson: Annotated[str, typer.Argument(metavar="LESSON", help="For example 12.")],
) -> None:
    """Make a fresh copy of a lesson; the one that you worked in is kept beside it."""
    with one_sentence():
        [chosen] = chosen_lessons([lesson])
        with learner_copy.opened(course_folder()) as copy:
            kept = copy.reset(chosen)
    beside = f"; yours is {kept.name} beside it" if kept else ""
    typer.echo(
        f"{chosen.file}.ipynb is as new{beside}. Is it open in JupyterLab? Choose "
        "File > Reload Notebook from Disk."
    )


def update() -> None:
    """Bring your copy to this version of the course; what you changed is kept."""
    with one_sentence(), learner_copy.opened(course_folder()) as copy:
        replaced, beside = copy.update()
    parts = []
    if replaced:
        parts.append(f"replaced what you had not changed: {', '.join(replaced)}")
    if beside:
        names = ", ".join(str(path.relative_to(copy.folder)) for path in beside)
        parts.append(f"kept yours and laid the new version beside it: {names}")
    done = " and ".join(parts) or "all of this version of the course"
    typer.echo(f"Your lessons in {copy.folder}: {done}.")
    for sentence in copy.damaged:
        typer.echo(sentence)
