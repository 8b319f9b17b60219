"""The capstone: one script, sixteen bad practices, and a scoreboard."""

from course_utils.capstone.display import (
    catalogue,
    run,
    show_part,
    show_repair,
    show_solution,
    write_solution,
)
from course_utils.capstone.plots import picture
from course_utils.capstone.scoring import YOURS, hint, scoreboard
from course_utils.capstone.script import copy_script, load

__all__ = [
    "YOURS",
    "catalogue",
    "copy_script",
    "hint",
    "load",
    "picture",
    "run",
    "scoreboard",
    "show_part",
    "show_repair",
    "show_solution",
    "write_solution",
]
