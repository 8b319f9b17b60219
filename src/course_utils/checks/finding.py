"""A finding: what a probe asked, what it saw, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """The answer to one question about a module, got by running it.

    Attributes:
        asked: The question as a short noun phrase, for example
            ``"optimizer updates in 6 batches"``.
        seen: What happened, as one sentence.
        ok: Whether it is as it should be; ``None`` if that cannot be decided here.
        remedy: The next step as one sentence, or ``""`` when nothing is to be done.
    """

    asked: str
    seen: str
    ok: bool | None
    remedy: str = ""

    def __str__(self) -> str:
        """One line, for example ``✗ the batch: it was changed. Clone it first.``."""
        mark = {True: "✓", False: "✗", None: "?"}[self.ok]
        return f"{mark} {self.asked}: {self.seen} {self.remedy}".rstrip()
