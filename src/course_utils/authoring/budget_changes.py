"""What has moved since the record of run times that is committed."""

from collections.abc import Iterator, Mapping

from course_utils.authoring.budgets import RunTime

# Below these a difference is the machine's noise: two sessions on one quiet machine.
SHARE, CELL_SHARE, SECONDS = 0.2, 0.5, 1.0
MEGABYTES_SHARE = 0.05


def _far(before: float, now: float, share: float, least: float) -> bool:
    return abs(now - before) > max(share * before, least)


def _change(before: float, now: float, unit: str) -> str:
    digits = 1 if unit == "s" else 0
    share = 100 * (now / before - 1) if before else 100.0
    return f"{before:.{digits}f} to {now:.{digits}f} {unit} ({share:+.0f} %)"


def _parts(before: RunTime, now: RunTime) -> Iterator[str]:
    if _far(before.seconds, now.seconds, SHARE, SECONDS):
        yield _change(before.seconds, now.seconds, "s")
    if _far(before.megabytes, now.megabytes, MEGABYTES_SHARE, 0):
        yield _change(before.megabytes, now.megabytes, "MB")
    if len(before.cell_seconds) != len(now.cell_seconds):
        yield f"{len(before.cell_seconds)} to {len(now.cell_seconds)} cells"
        return
    cells = zip(before.cell_seconds, now.cell_seconds, strict=True)
    for place, (old, new) in enumerate(cells):
        if _far(old, new, CELL_SHARE, SECONDS):
            yield f"Cell {place} {_change(old, new, 's')}"


def moved(before: Mapping[str, RunTime], now: Mapping[str, RunTime]) -> list[str]:
    """Return a line for each notebook that is new, or takes more or less than it did.

    Args:
        before: The committed record.
        now: What this session measured; notebooks that it did not run do not count.
    """
    lines = []
    for name, taken in now.items():
        if name not in before:
            lines.append(
                f"{name}: new, {taken.seconds:.1f} s, {taken.megabytes:.0f} MB"
            )
        elif parts := list(_parts(before[name], taken)):
            lines.append(f"{name}: {'; '.join(parts)}")
    return lines
