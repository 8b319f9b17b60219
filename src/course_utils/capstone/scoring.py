"""The scoreboard: what is found, repaired and left, and what the repairs gain."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from course_utils import progress, syllabus
from course_utils.capstone import script
from course_utils.capstone.examine import FIRST, Examination, examine
from course_utils.capstone.symptoms import SYMPTOMS
from course_utils.checks.learner_code import LearnerError
from course_utils.formatting import decimal, html_table, text_table

YOURS = Path(script.FOLDER) / script.ORIGINAL.name
GAINS = 5  # the first numbers of an examination
HEADER = ("", "part", "what is to be seen", "practice", "state")
HARD_HEADER = HEADER[2:]  # numbers and parts say where to look


@dataclass(frozen=True)
class Row:
    """One symptom; ``state`` is ``found``, ``repaired`` or ``left``."""

    number: int
    part: str
    seen: str
    practice: str
    state: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of the table; a practice that is not found yet is hidden."""
        title = "?"
        if self.state != "left":
            title = f"{self.practice} {syllabus.load().practice(self.practice).title}"
        return (str(self.number), self.part, self.seen, title, self.state)


@dataclass(frozen=True)
class Scoreboard:
    """The state of a script; shows itself as two tables.

    Attributes:
        rows: One per symptom.
        gains: Name of a measurement, its value in the first script, and in yours.
        wrong: Suspects that are not among the bad practices of this script.
        hard: Whether it shows only what is not repaired, and not where to look.
    """

    rows: tuple[Row, ...]
    gains: tuple[tuple[str, float, float], ...]
    wrong: tuple[str, ...] = ()
    hard: bool = False

    def with_state(self, state: str) -> tuple[str, ...]:
        """Return the practices in a state: ``found``, ``repaired`` or ``left``."""
        return tuple(row.practice for row in self.rows if row.state == state)

    def only(self, part: str) -> "Scoreboard":
        """Return the lines of one part, without the gains."""
        rows = tuple(row for row in self.rows if row.part == part)
        return Scoreboard(rows, (), self.wrong)

    def measured(self, name: str) -> tuple[float, float]:
        """Return what was measured in the first script and in yours.

        Raises:
            ValueError: If nothing of that name was measured.
        """
        found = {each: (before, after) for each, before, after in self.gains}
        if name not in found:
            raise ValueError(f"Expected one of {', '.join(found)} but got {name!r}.")
        return found[name]

    @property
    def summary(self) -> str:
        """One line: how many are found, repaired and left."""
        counts = {s: len(self.with_state(s)) for s in ("found", "repaired", "left")}
        return (
            f"{len(self.rows)} bad practices: {counts['repaired']} repaired, "
            f"{counts['found']} found and not repaired, {counts['left']} left to find."
        )

    @property
    def wrong_suspects_note(self) -> str:
        """A sentence that encourages after wrong suspects, ``""`` if there are none."""
        if not self.wrong:
            return ""
        return (
            f"Not here: {', '.join(self.wrong)}. A good thing to look for; this script "
            "has another problem."
        )

    def _lines(self, table: Callable[..., str]) -> str:
        if not self.hard:
            return table(HEADER, [row.cells for row in self.rows])
        left = [row.cells[2:] for row in self.rows if row.state != "repaired"]
        # By what was seen: the usual order would tell the part.
        return table(HARD_HEADER, sorted(left))

    def _tables(self, table: Callable[..., str]) -> list[str]:
        tables = [self._lines(table)]
        if self.gains:
            gains = [(name, decimal(a), decimal(b)) for name, a, b in self.gains]
            tables.append(table(("measured", "the first script", "yours"), gains))
        return tables

    @property
    def _sentences(self) -> list[str]:
        return list(filter(None, [self.summary, self.wrong_suspects_note]))

    def __str__(self) -> str:
        """The tables and the sentences as text."""
        return "\n\n".join([*self._tables(text_table), *self._sentences])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        lines = [f"<p>{each}</p>" for each in self._sentences]
        return "".join([*self._tables(html_table), *lines])


def judge(
    yours: Examination, first: Examination, suspects: Iterable[str] = ()
) -> Scoreboard:
    """Return the scoreboard of an examined script, compared with the first one."""
    named = list(dict.fromkeys(str(each) for each in suspects))
    rows = []
    for number, symptom in enumerate(SYMPTOMS, start=1):
        finding = yours.findings[symptom.practice]
        suspected = "found" if symptom.practice in named else "left"
        state = "repaired" if finding.ok else suspected
        rows.append(Row(number, symptom.part, finding.seen, symptom.practice, state))
    gains = []
    for name, before in list(first.numbers.items())[:GAINS]:
        # A time of the first script counts as measured beside yours, if it was.
        before = yours.numbers.get(FIRST + name, before)
        gains.append((name, before, yours.numbers.get(name, float("nan"))))
    here = {symptom.practice for symptom in SYMPTOMS}
    wrong = tuple(each for each in named if each not in here)
    return Scoreboard(tuple(rows), tuple(gains), wrong)


def scoreboard(
    path: str | Path = YOURS,
    suspects: Iterable[str] = (),
    part: str = "",
    hard: bool = False,
) -> Scoreboard | None:
    """Run your script, look for every symptom, and return the scoreboard.

    It takes some seconds; an unchanged script is not run again. If the script cannot
    be run, one sentence is printed that says why, and nothing is returned.

    Args:
        path: Your copy of the script.
        suspects: Ids of the practices that you suspect, for example ``["3.3"]``.
        part: Show ``"data"``, ``"model"``, ``"training"`` or ``"evaluation"`` only.
        hard: Show all that is not repaired in one list, without numbers and parts.
    """
    try:
        yours = examine(path)
        board = judge(yours, examine(script.ORIGINAL), suspects)
    except LearnerError as error:
        print(error)
        return None
    for practice in board.with_state("repaired"):
        progress.record("repair", practice, True)
    board = board.only(part) if part else board
    return replace(board, hard=hard)


def hint(number: int, level: int = 1) -> None:
    """Print a hint on a line of the scoreboard.

    Args:
        number: Of the line, from 1.
        level: 1 for a nudge, 2, or 3 for nearly the repair.
    """
    if number not in range(1, len(SYMPTOMS) + 1) or level not in (1, 2, 3):
        print(f"Expected a line from 1 to {len(SYMPTOMS)}, and a level from 1 to 3.")
        return
    text = SYMPTOMS[number - 1].hints[level - 1]
    print(f"Line {number}, hint {level} of 3. {text}")
