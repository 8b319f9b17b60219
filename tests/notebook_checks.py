"""What must hold for a notebook: functions that return complaints, none if all is well.

A function takes a notebook or the text of a script, never a path, so that
`test_notebook_checks.py` can feed it a broken one.
"""

import json
import re
from collections.abc import Callable

from nbformat import NotebookNode

PRACTICE_TAGS = ("predict", "bad", "good", "contrast", "claim", "exercise")
UNCOUNTED = {"apparatus", "exercise", "setup"}  # tags of code that no limit counts
VISIBLE_LINES, VISIBLE_LINES_OF_A_LESSON, GUARD_LINES = 45, 220, 6
LONGEST_CELL = 25
LARGEST_BYTES = 1_500_000
LIMITS_HEADING = "When the bad version is right"

_PRACTICE = re.compile(r"^## (\d+\.\d+) \S", re.MULTILINE)
_SECTION = re.compile(r"^## ", re.MULTILINE)
_TRIES_GUARD = re.compile(r"^try_guard\(", re.MULTILINE)
_GOING_FURTHER = re.compile(r"^#+ Going further", re.MULTILINE)
_PATH = re.compile(r"(?<![\w.~/])/(?:home|root|tmp|Users|private)/\w|\b[A-Z]:\\\w")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_PROGRESS = re.compile(r"\d+%\s*\||it/s|[█▏▎▍▌▋▊▉━╸]{2}|\r(?!\n)")
_LESSON = re.compile(r"start\(\"\d\d\"")

Complaints = list[str]
Check = Callable[[NotebookNode], Complaints]


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _texts(output: NotebookNode) -> list[str]:
    """Return every text of an output that a reader may see."""
    data = output.get("data", {}).items()
    shown = [str(value) for kind, value in data if not kind.startswith("image/")]
    texts = [output.get("text", ""), output.get("evalue", "")]
    return [*shown, *texts, *output.get("traceback", [])]


def _in_outputs(
    notebook: NotebookNode, find: Callable[[str], object], what: str
) -> Complaints:
    return [
        f"code cell {number} shows {what}"
        for number, cell in enumerate(_code(notebook), start=1)
        if any(find(text) for output in cell.outputs for text in _texts(output))
    ]


def code_under_markdown(script: str) -> Complaints:
    """Find lines of a percent script that a markdown marker turned into prose."""
    found = []
    prose = False
    for number, line in enumerate(script.splitlines(), start=1):
        if line.startswith("# %%"):
            prose = "[markdown]" in line or "[raw]" in line
            if prose and not re.fullmatch(r"# %% \[\w+\](?: tags=\[.*\])?", line):
                found.append(f"line {number} has text behind its marker: {line}")
        elif prose and line.strip() and not line.startswith("#"):
            found.append(f"line {number} is code under a markdown marker: {line}")
        elif re.match(r"# ?% ?(?:tags|\[)", line):
            found.append(f"line {number} is no cell marker, write `# %%`: {line}")
    return found


def not_executed(notebook: NotebookNode) -> Complaints:
    """Compare the execution counts with 1..n."""
    counts = [cell.execution_count for cell in _code(notebook)]
    expected = list(range(1, len(counts) + 1))
    return [] if counts == expected else [f"execution counts are {counts}, not 1..n"]


def wrong_kernel(notebook: NotebookNode) -> Complaints:
    """Require the kernel that every Jupyter has."""
    name = notebook.metadata.get("kernelspec", {}).get("name")
    return [] if name == "python3" else [f"the kernelspec is {name}, not python3"]


def broken_claims(notebook: NotebookNode) -> Complaints:
    """Find the mark of a claim that did not hold, or of a failed check."""
    return _in_outputs(notebook, lambda text: "✗" in text, "a ✗")


def machine_paths(notebook: NotebookNode) -> Complaints:
    """Find absolute paths, and addresses in memory, in outputs."""
    return [
        *_in_outputs(notebook, _PATH.search, "an absolute path"),
        *_in_outputs(notebook, _ADDRESS.search, "an address in memory"),
    ]


def progress_bars(notebook: NotebookNode) -> Complaints:
    """Find progress bars, as text or as a widget."""
    widgets = [
        f"code cell {number} shows a widget"
        for number, cell in enumerate(_code(notebook), start=1)
        for output in cell.outputs
        if any("widget" in kind for kind in output.get("data", {}))
    ]
    return widgets + _in_outputs(notebook, _PROGRESS.search, "a progress bar")


def error_streams(notebook: NotebookNode) -> Complaints:
    """Find what was written to stderr, mostly warnings."""
    return [
        f"code cell {number} writes to stderr: {output.text.strip()[:80]}"
        for number, cell in enumerate(_code(notebook), start=1)
        for output in cell.outputs
        if output.get("name") == "stderr"
    ]


def figures_without_alt_text(notebook: NotebookNode) -> Complaints:
    """Find pictures that a screen reader cannot describe."""
    return [
        f"code cell {number} shows a figure without alt text in its metadata"
        for number, cell in enumerate(_code(notebook), start=1)
        for output in cell.outputs
        for kind in output.get("data", {})
        if kind.startswith("image/")
        and not output.metadata.get(kind, {}).get("alt", "").strip()
    ]


def long_cells(notebook: NotebookNode) -> Complaints:
    """Find code cells that do not fit a screen."""
    lengths = [
        sum(bool(line.strip()) for line in cell.source.splitlines())
        for cell in _code(notebook)
    ]
    return [
        f"code cell {number} has {length} lines, the limit is {LONGEST_CELL}"
        for number, length in enumerate(lengths, start=1)
        if length > LONGEST_CELL
    ]


def too_large(notebook: NotebookNode) -> Complaints:
    """Compare the stored size with what GitHub renders without delay."""
    size = len(json.dumps(notebook, indent=1, ensure_ascii=False).encode())
    over = f"the file has {size:,} bytes, the limit is {LARGEST_BYTES:,}"
    return [over] if size > LARGEST_BYTES else []


def practices(notebook: NotebookNode) -> list[tuple[str, list[NotebookNode]]]:
    """Return the id of each practice and its cells, up to the next `## ` heading."""
    found: list[tuple[str, list[NotebookNode]]] = []
    inside = False
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and _SECTION.search(cell.source):
            match = _PRACTICE.search(cell.source)
            inside = match is not None
            if match:
                found.append((match.group(1), []))
        if inside:
            found[-1][1].append(cell)
    return found


def _first_tags(cells: list[NotebookNode]) -> list[str]:
    tags = [tag for cell in cells for tag in _tags(cell) if tag in PRACTICE_TAGS]
    return list(dict.fromkeys(tags))


def incomplete_practices(notebook: NotebookNode) -> Complaints:
    """Compare each practice with the order of its cells, and require its limits."""
    complaints = []
    for name, cells in practices(notebook):
        tags = _first_tags(cells)
        if tags != list(PRACTICE_TAGS):
            complaints.append(f"{name} has the tags {tags}, not {list(PRACTICE_TAGS)}")
        prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
        if not any(LIMITS_HEADING in text for text in prose):
            complaints.append(f"{name} does not say: {LIMITS_HEADING}")
    return complaints


def is_second_edition(notebook: NotebookNode) -> bool:
    """Return whether a lesson folds its measuring code, and must keep what follows."""
    return any("apparatus" in _tags(cell) for cell in _code(notebook))


def lines_of(cell: NotebookNode) -> int:
    """Return how many lines of a cell are not blank."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def without_going_further(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Return the cells of a practice up to the part that is optional."""
    further = [
        place
        for place, cell in enumerate(cells)
        if cell.cell_type == "markdown" and _GOING_FURTHER.search(cell.source)
    ]
    return cells[: further[0]] if further else cells


def too_much_visible_code(notebook: NotebookNode) -> Complaints:
    """Count the code in front: neither folded, nor an exercise, nor optional."""
    if not is_second_edition(notebook):
        return []
    lines = {
        name: sum(
            lines_of(cell)
            for cell in without_going_further(cells)
            if cell.cell_type == "code" and not UNCOUNTED & set(_tags(cell))
        )
        for name, cells in practices(notebook)
    }
    limits = [(*each, VISIBLE_LINES) for each in lines.items()]
    limits.append(("the lesson", sum(lines.values()), VISIBLE_LINES_OF_A_LESSON))
    return [
        f"{name} shows {count} lines of code, the limit is {limit}"
        for name, count, limit in limits
        if count > limit
    ]


def nothing_to_take_along(notebook: NotebookNode) -> Complaints:
    """Require each practice's scope and a short guard, and a symptom in the table."""
    if not is_second_edition(notebook):
        return []
    table = "".join(c.source for c in notebook.cells if "## Symptoms" in c.source)
    complaints = []
    for name, cells in practices(notebook):
        prose = "\n".join(c.source for c in cells if c.cell_type == "markdown")
        guards = [cell for cell in cells if "guard" in _tags(cell)]
        lengths = [lines_of(cell) for cell in guards]
        if "**Scope.**" not in prose:
            complaints.append(f"{name} does not say its **Scope.**")
        if len(guards) != 1 or not 2 <= lengths[0] <= GUARD_LINES:
            complaints.append(
                f"{name} has guards of {lengths} lines, not one of 2 to {GUARD_LINES}"
            )
        elif not any(
            f'try_guard("{name}"' in c.source.replace("\n    ", "") for c in cells
        ):
            complaints.append(f"{name} does not try its guard")
        if f" | {name} |" not in table:
            complaints.append(f"{name} has no row in the table of symptoms")
    return complaints


def setup_source(notebook: NotebookNode) -> str:
    """Return the one setup cell, its lesson id replaced, or ``""`` if none is right."""
    cells = _code(notebook)
    tagged = [cell for cell in cells if "setup" in _tags(cell)]
    if len(tagged) != 1 or tagged[0] is not cells[0]:
        return ""
    return _LESSON.sub('start("NN"', tagged[0].source)


EVERY_NOTEBOOK: tuple[Check, ...] = (
    not_executed,
    wrong_kernel,
    broken_claims,
    machine_paths,
    progress_bars,
    error_streams,
    figures_without_alt_text,
    long_cells,
    too_large,
)
EVERY_LESSON: tuple[Check, ...] = (
    incomplete_practices,
    too_much_visible_code,
    nothing_to_take_along,
)
