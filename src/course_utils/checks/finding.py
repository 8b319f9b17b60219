"""A finding: what a check saw when it ran a module, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The answer to one question about a module, found by running it.

    Attributes:
        seen: What happened, as one sentence. Where no lesson prints it, it is written
            for the case that something is to be done.
        ok: Whether it is as it should be; ``None`` if that cannot be decided here.
        remedy: The next step as one sentence; dropped if ``ok``, for nothing is to do.
        asked: The question as a short noun phrase, for findings that a lesson prints,
            for example ``"updates every 4 batches"``.
    """

    seen: str
    ok: bool | None
    remedy: str = ""
    asked: str = ""

    def __post_init__(self) -> None:
        """Drop the remedy of what needs none."""
        if self.ok:
            object.__setattr__(self, "remedy", "")

    def __str__(self) -> str:
        """One line, for example ``✗ the batch: it was changed. Clone it first.``."""
        mark = {True: "✓", False: "✗", None: "?"}[self.ok]
        asked = f"{self.asked}: " if self.asked else ""
        return f"{mark} {asked}{self.seen} {self.remedy}".rstrip()
