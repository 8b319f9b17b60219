"""The index of symptoms is made of the tables that close the lessons."""

from pathlib import Path

from course_utils.authoring import symptoms

LESSON = """# %% [markdown]
# ## Symptoms
#
# | You see | Look at |
# |---|---|
# | the accuracy changes when you validate again | 1.2 |
# | `accumulate_grad_batches` has no effect | 1.1 |
#
# ## Take away
# | not a symptom | 1.3 |
"""


def test_rows_of_the_table_and_only_those_are_collected():
    assert symptoms.of_lesson(LESSON) == [
        ("the accuracy changes when you validate again", "1.2"),
        ("`accumulate_grad_batches` has no effect", "1.1"),
    ]
    assert symptoms.of_lesson("# %% [markdown]\n# ## Take away\n") == []


def test_the_index_links_each_symptom_to_its_lesson(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for path in (Path(__file__).parents[2] / "notebooks").glob("*.py"):
        (folder / path.name).write_text("")
    (folder / "01_code_organization.py").write_text(LESSON)
    assert (
        "| `accumulate_grad_batches` has no effect | "
        "[1.1 Separate research from engineering]"
        "(../notebooks/01_code_organization.ipynb"
        "#1.1-Separate-research-from-engineering) |"
    ) in symptoms.index(tmp_path)
