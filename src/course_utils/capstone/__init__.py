"""The capstone: one script, sixteen bad practices, and a scoreboard."""

from course_utils.capstone.board import YOURS, hint, scoreboard
from course_utils.capstone.pictures import picture
from course_utils.capstone.script import copy_script, load
from course_utils.capstone.shown import (
    catalogue,
    run,
    show_part,
    show_repair,
    show_solution,
    write_solution,
)

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
