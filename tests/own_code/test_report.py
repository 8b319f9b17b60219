"""What is read and what is run become one report."""

from course_utils.own_code.reading import without_ignored
from course_utils.own_code.report import Finding, Report, Unasked, in_order, joined


def read(practice: str, file: str = "a.py", line: int = 3) -> Finding:
    return Finding(practice, "warning", file, line, "Read.", "Do.")


def run(practice: str, file: str = "a.py", line: int = 1) -> Finding:
    return Finding(practice, "warning", file, line, "Ran.", "Do.", how="run")


def test_what_is_read_and_shown_is_told_once_where_it_was_read():
    whole = joined(Report([read("12.5")]), Report([run("12.5")]))
    [finding] = whole.findings
    assert (finding.how, finding.seen, finding.line) == ("both", "Read.", 3)


def test_what_is_only_run_is_added():
    first, second = Report([read("12.5")]), Report([run("2.1"), run("12.5", "b.py")])
    assert [each.how for each in joined(first, second).findings] == [
        "read",
        "run",
        "run",
    ]


def test_a_joined_report_keeps_what_was_not_asked_what_is_kept_and_ignored():
    first = Report(unasked=[Unasked("", "Broken.")], ignored=1)
    second = Report(unasked=[Unasked("5.3", "No data.")], kept=["12.1"], ignored=2)
    whole = joined(first, second)
    assert [each.practice for each in whole.unasked] == ["", "5.3"]
    assert (whole.kept, whole.ignored) == (["12.1"], 3)


def test_a_comment_answers_what_is_run_too(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("class A:  # course: ignore[5.3] meant\n    pass\n")
    report = Report([run("5.3", str(file)), run("2.1", str(file))])
    left = without_ignored(report)
    assert [each.practice for each in left.findings] == ["2.1"]
    assert left.ignored == 1


def test_findings_come_in_the_order_of_the_course():
    mixed = [read("12.1"), read("4.3"), read("imports"), read("4.3", line=1)]
    ordered = [(each.line, each.practice) for each in in_order(mixed)]
    assert ordered == [(1, "4.3"), (3, "imports"), (3, "4.3"), (3, "12.1")]


def test_notes_alone_do_not_fail():
    note = Finding("7.5", "note", "a.py", 1, "Seen.", "Do.")
    assert not Report([note]).fails
    assert Report([note, read("4.3")]).fails
