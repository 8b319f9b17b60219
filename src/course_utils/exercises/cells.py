"""The cells of an exercise: what the learner gets, and one that is right.

They are typed once, in the notebooks. `make sync` collects them into a record that
travels with the package, since a notebook may be opened without the others.
"""

import functools
from dataclasses import dataclass

from course_utils import shipped_records

NAME = "exercises.json"


@dataclass(frozen=True)
class Cells:
    """The two cells of one exercise, as source code.

    Attributes:
        starter: The lesson's cell, tagged ``exercise``; it runs as it stands.
        solution: A cell that is judged correct, tagged ``solution``.
    """

    starter: str
    solution: str


@functools.cache
def load() -> dict[str, Cells]:
    """Return the cells of every exercise, by practice id.

    Raises:
        ValueError: If the record is damaged, in one sentence.
    """
    record = shipped_records.read(NAME)
    return {practice: Cells(**cells) for practice, cells in record.items()}
