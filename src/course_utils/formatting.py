"""Numbers and tables as text and as HTML."""

import html
import textwrap
from collections.abc import Iterable, Sequence

_WIDTH = 92  # characters that JupyterLab shows in a line of a window 1,280 pixels wide


def wrapped(sentence: str, indent: str = "") -> str:
    """Return a sentence in lines that a cell's output shows whole, broken at spaces.

    Args:
        sentence: One sentence or more, without line breaks.
        indent: What each line but the first begins with.
    """
    return textwrap.fill(
        sentence, _WIDTH, subsequent_indent=indent, break_on_hyphens=False
    )


def decimal(value: float) -> str:
    """Return a measurement as text that holds a decimal point, unless nan or inf.

    Example:
        >>> decimal(0.91234), decimal(1234.5678), decimal(2.0), decimal(1.5e-7)
        ('0.912', '1234.6', '2.000', '1.5e-07')
    """
    if value == 0:
        return "0.000"  # also for -0.0
    if not 1e-3 <= abs(value) < 1e9:
        return f"{value:.1e}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def number(value: float | None) -> str:
    """Return a whole number as such, any other with decimals, and None as a hyphen.

    Example:
        >>> number(8.0), number(0.91234), number(None)
        ('8', '0.912', '-')
    """
    if value is None:
        return "-"
    whole = float(value).is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else decimal(value)


def first_names(names: Sequence[str], shown: int = 3) -> str:
    """Return the first names, and how many more there are, in words.

    Example:
        >>> first_names(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def anchor(heading: str) -> str:
    """Return the anchor that JupyterLab gives to a heading.

    Example:
        >>> anchor("12.1 Return the loss")
        '12.1-Return-the-loss'
    """
    return heading.replace(" ", "-")


def text_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows as left-aligned columns."""
    columns = zip(header, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (header, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def html_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return rows as an HTML table; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], rule: str = "---"
) -> str:
    """Return rows as a Markdown table.

    Args:
        header: Headings of the columns.
        rows: Cells, as many in each row as there are headings.
        rule: What stands below each heading: ``"---:"`` aligns cells to the right.
    """
    lines = [header, [rule] * len(header), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in cells)
