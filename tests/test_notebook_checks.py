"""Each check over the notebooks, fed a notebook with one defect."""

import re
from pathlib import Path

import notebook_checks as checks
import pytest
from nbformat import NotebookNode, v4

from course_utils.authoring.sync import METADATA, sanitizer

SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")
FIGURE = {"image/png": "aGk=", "text/plain": "<Figure size 500x140 with 1 Axes>"}
SETUP = 'course_utils.start("12", written_for="0.1")'


def code(source: str, *outputs: NotebookNode, tag: str = "") -> NotebookNode:
    metadata = {"tags": [tag]} if tag else {}
    return v4.new_code_cell(source, outputs=list(outputs), metadata=metadata)


def printed(text: str, name: str = "stdout") -> NotebookNode:
    return v4.new_output("stream", text=text, name=name)


def shown(data: dict[str, str], metadata: dict | None = None) -> NotebookNode:
    return v4.new_output("display_data", data=data, metadata=metadata or {})


def practice(name: str) -> list[NotebookNode]:
    return [
        v4.new_markdown_cell(f"## {name} Return the loss"),
        *[code(f"{tag} = 1", tag=tag) for tag in checks.PRACTICE_TAGS[:5]],
        v4.new_markdown_cell("**When the bad version is right.** Never."),
        code("answer = None", tag="exercise"),
    ]


def sound(*extra: NotebookNode) -> NotebookNode:
    """Return a lesson without a defect, with ``extra`` cells after its setup."""
    figure = shown(FIGURE, {"image/png": {"alt": "A falling line."}})
    cells = [
        v4.new_markdown_cell("# Lesson 12"),
        code(SETUP, printed("runs on the CPU\n"), tag="setup"),
        *extra,
        code("draw()", figure, printed("✓ 12.1 it falls by half, 50 % of 1.5\n")),
        *practice("12.1"),
        v4.new_markdown_cell("## Take away"),
    ]
    notebook = v4.new_notebook(cells=cells, metadata=METADATA)
    numbered = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(numbered, start=1):
        cell.execution_count = count
    return notebook


@pytest.mark.parametrize(
    "check", checks.EVERY_NOTEBOOK + checks.EVERY_LESSON, ids=lambda c: c.__name__
)
def test_a_sound_notebook_has_no_complaint(check):
    assert check(sound()) == []


@pytest.mark.parametrize(
    ("check", "cell", "complaint"),
    [
        (checks.broken_claims, code("c", printed("✗ 12.1 no\n")), "shows a ✗"),
        (checks.broken_claims, code("c", shown({"text/html": "<b>✗"})), "shows a ✗"),
        (checks.machine_paths, code("c", printed("see /home/me/x")), "absolute path"),
        (checks.machine_paths, code("c", printed("'/tmp/run'")), "absolute path"),
        (checks.machine_paths, code("c", printed(r"C:\Users")), "absolute path"),
        (checks.machine_paths, code("c", printed("<f at 0x7f>")), "address in memory"),
        (
            checks.machine_paths,
            code("c", v4.new_output("error", ename="E", evalue="in /root/a")),
            "absolute path",
        ),
        (checks.progress_bars, code("c", printed(" 50%|███  |")), "progress bar"),
        (checks.progress_bars, code("c", printed("a\rb")), "progress bar"),
        (checks.progress_bars, code("c", printed("Epoch 1 ━━━━━ 8/8")), "progress bar"),
        (
            checks.progress_bars,
            code("c", shown({"application/vnd.jupyter.widget-view+json": "x"})),
            "a widget",
        ),
        (checks.error_streams, code("c", printed("careful", "stderr")), "stderr: care"),
        (checks.figures_without_alt_text, code("c", shown(FIGURE)), "without alt text"),
        (
            checks.figures_without_alt_text,
            code("c", shown(FIGURE, {"image/png": {"alt": " "}})),
            "without alt text",
        ),
        (checks.long_cells, code("x = 1\n" * 26), "has 26 lines, the limit is 25"),
        (checks.too_large, code("c", printed("x" * 1_500_000)), "the limit is 1,500,"),
    ],
)
def test_a_defect_is_found_in_its_cell(check, cell, complaint):
    complaints = check(sound(cell))
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_a_cell_of_25_lines_with_blank_ones_between_is_short_enough():
    assert checks.long_cells(sound(code("x = 1\n\n" * 25))) == []


def test_text_behind_a_marker_is_found_as_it_would_be_lost():
    script = "# %% [markdown] **Why.** It is lost.\n# This stays.\n"
    (complaint,) = checks.code_under_markdown(script)
    assert complaint.startswith("line 1 has text behind its marker")
    assert checks.code_under_markdown('# %% [markdown] tags=["x"]\n# a\n') == []


@pytest.mark.parametrize("text", ["and/or", "docs: lightning.ai/home/x", "8/8 steps"])
def test_a_slash_alone_is_no_path(text):
    assert checks.machine_paths(sound(code("c", printed(text)))) == []


@pytest.mark.parametrize("counts", [(1, 3), (2, 1), (1, None), (None, None)])
def test_a_run_out_of_order_is_found(counts):
    cells = [v4.new_code_cell("x", execution_count=count) for count in counts]
    assert checks.not_executed(v4.new_notebook(cells=cells))


def test_a_missing_or_foreign_kernel_is_found():
    foreign = {"kernelspec": {"name": "my-env", "display_name": "Mine"}}
    assert checks.wrong_kernel(v4.new_notebook()) != []
    assert checks.wrong_kernel(v4.new_notebook(metadata=foreign)) == [
        "the kernelspec is my-env, not python3"
    ]


@pytest.mark.parametrize("missing", checks.PRACTICE_TAGS)
def test_a_practice_that_lacks_a_part_is_found(missing):
    notebook = sound()
    for cell in notebook.cells:
        cell.metadata.tags = [t for t in cell.metadata.get("tags", []) if t != missing]
    (complaint,) = checks.incomplete_practices(notebook)
    assert complaint.startswith("12.1 has the tags")


def test_a_practice_in_another_order_is_found():
    notebook = sound(*practice("12.4"))
    cells = notebook.cells
    good = next(i for i, c in enumerate(cells) if c.metadata.get("tags") == ["good"])
    cells[good - 1], cells[good] = cells[good], cells[good - 1]
    (complaint,) = checks.incomplete_practices(notebook)
    assert complaint.startswith("12.4 has the tags ['predict', 'good', 'bad'")


def test_each_practice_says_when_the_bad_version_is_right():
    notebook = sound(*practice("12.4"))
    silent = next(c for c in notebook.cells if checks.LIMITS_HEADING in c.source)
    silent.source = "**Why.**"
    assert checks.incomplete_practices(notebook) == [
        "12.4 does not say: When the bad version is right"
    ]


def test_cells_after_the_last_practice_do_not_count_for_it():
    notebook = sound()
    exercise, end = notebook.cells[-2:]
    assert end.source == "## Take away"
    exercise.metadata.tags = []
    notebook.cells.append(code("x", tag="exercise"))
    (complaint,) = checks.incomplete_practices(notebook)
    assert complaint.startswith("12.1 has the tags")


def test_code_under_a_markdown_marker_is_found():
    script = "# %% [markdown]\n# prose\nx = 1\n\n# %%\ny = 2\n"
    assert checks.code_under_markdown(script) == [
        "line 3 is code under a markdown marker: x = 1"
    ]


def test_fenced_code_in_prose_is_prose():
    script = "# %% [markdown]\n# ```python\n# x = 1\n# ```\n\n# %%\ny = 2\n"
    assert checks.code_under_markdown(script) == []


def test_a_misspelt_cell_marker_is_found():
    script = '# %% [markdown]\n# prose\n\n# % tags=["setup"]\n'
    assert checks.code_under_markdown(script) == [
        'line 4 is no cell marker, write `# %%`: # % tags=["setup"]'
    ]


def test_setup_cells_differ_in_the_lesson_id_only():
    other = sound()
    other.cells[1].source = SETUP.replace("12", "05")
    changed = sound()
    changed.cells[1].source = SETUP.replace("0.1", "0.2")
    assert checks.setup_source(sound()) == checks.setup_source(other) != ""
    assert checks.setup_source(changed) != checks.setup_source(sound())


def test_the_setup_cell_is_the_first_and_the_only_one():
    second = sound()
    second.cells.insert(1, code("import torch"))
    assert checks.setup_source(second) == ""
    assert checks.setup_source(sound(code("x", tag="setup"))) == ""


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("accuracy 0.91", "accuracy 0.89"),
        ("gain +0.5", "gain \N{MINUS SIGN}12.25"),
        ("loss 1.5e-05", "loss 2.25"),
        ("loss 1e-05", "loss 0.5"),
        ("1,234.5 MB", "98.0 MB"),
        ("<td>9.5</td>", "<td>-10.5</td>"),
        ("good |  9.5 | steps", "good | 10.5 | steps"),
        ("[0.1, 0.25]", "[10.5, 0.3]"),
    ],
)
def test_a_measurement_is_not_compared(ours, theirs):
    sanitize = sanitizer(SANITIZE)
    assert sanitize(ours) == sanitize(theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("steps 8", "steps 9"),
        ("steps 8 loss 0.5", "steps 9 loss 0.5"),
        ("<td>1,000</td>", "<td>2,000</td>"),
        ("loss nan", "loss inf"),
        ("loss 0.5", "loss nan"),
        ("loss 0.5", "gain 0.5"),
        ("✓ 12.1 it falls", "✗ 12.1 it falls"),
        ("0.5 0.5", "0.5"),
    ],
)
def test_a_fact_is_compared(ours, theirs):
    sanitize = sanitizer(SANITIZE)
    assert sanitize(ours) != sanitize(theirs)


def test_nbval_and_make_sync_read_the_rules_alike():
    plugin = pytest.importorskip("nbval.plugin")
    rules = plugin.get_sanitize_patterns(SANITIZE.read_text("utf-8"))
    assert len(rules) == 2
    text = by_nbval = "0.5, -3.25 and 8   left"
    for regex, replacement in rules:
        by_nbval = re.sub(regex, replacement, by_nbval)
    assert by_nbval == sanitizer(SANITIZE)(text) == "NUMBER,NUMBERand 8BLANKSleft"


def second_edition(
    *, lines: int = 1, scope: str = "**Scope.** CPU.", guard: int = 3, row: str = "12.1"
) -> NotebookNode:
    """Return a lesson that folds its measuring code."""
    notebook = sound(code("measure()\n" * 300, tag="apparatus"))
    place = next(i for i, c in enumerate(notebook.cells) if "claim = 1" in c.source)
    notebook.cells[place + 1 : place + 1] = [
        code("print()\n" * lines),
        v4.new_markdown_cell(f"**Why.** So. {scope}"),
    ]
    exercise = next(i for i, c in enumerate(notebook.cells) if "answer" in c.source)
    notebook.cells[exercise + 1 : exercise + 1] = [
        code("assert True\n" * guard, tag="guard"),
        code('try_guard("12.1", bad=f, good=g)', tag="apparatus"),
        v4.new_markdown_cell("### Going further"),
        code("more()\n" * 300),
    ]
    table = f"## Symptoms\n\n| You see | Look at |\n|---|---|\n| fire | {row} |"
    notebook.cells.append(v4.new_markdown_cell(table))
    return notebook


def test_a_lesson_of_the_second_edition_has_no_complaint():
    assert checks.is_second_edition(second_edition())
    assert not checks.is_second_edition(sound())
    for check in checks.EVERY_LESSON:
        assert check(second_edition()) == []


def test_visible_code_is_counted_without_apparatus_exercise_and_going_further():
    most = checks.VISIBLE_LINES - 8  # those of the other cells
    assert checks.too_much_visible_code(second_edition(lines=most)) == []
    assert checks.too_much_visible_code(second_edition(lines=most + 3)) == [
        "12.1 shows 48 lines of code, the limit is 45"
    ]


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ({"scope": ""}, "12.1 does not say its **Scope.**"),
        ({"guard": 0}, "12.1 has guards of [0] lines"),
        ({"guard": 7}, "12.1 has guards of [7] lines, not one of 2 to 6"),
        ({"row": "12.2"}, "12.1 has no row in the table of symptoms"),
    ],
)
def test_what_a_reader_takes_along_is_required(defect, complaint):
    (found,) = checks.nothing_to_take_along(second_edition(**defect))
    assert found.startswith(complaint)


def test_a_guard_must_be_tried():
    notebook = second_edition()
    for cell in notebook.cells:
        cell.source = cell.source.replace("try_guard", "print")
    assert checks.nothing_to_take_along(notebook) == ["12.1 does not try its guard"]
