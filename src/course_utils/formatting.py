"""Numbers and tables as text and as HTML."""

import html


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
