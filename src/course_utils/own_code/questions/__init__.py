"""What can be seen by running a module on a few batches."""

from dataclasses import dataclass

from course_utils.own_code.report import Severity


@dataclass(frozen=True)
class Saw:
    """What a question saw.

    Attributes:
        seen: One sentence.
        remedy: One sentence.
        file: Where the code stands, ``""``: where the module's class stands.
        line: From 1; 0 if there is none.
        severity: In place of the question's own.
    """

    seen: str
    remedy: str
    file: str = ""
    line: int = 0
    severity: Severity | None = None
