"""Is the script mended? No finding is left, none is hidden, and it trains."""

import ast
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from IPython.display import display

from course_utils import progress
from course_utils.capstone.script import source_of
from course_utils.checks.learner_code import LearnerError
from course_utils.exercises.api import CheckResult, Status
from course_utils.own_code.named import read_named, run_named
from course_utils.own_code.report import Finding, Report, in_order, joined
from course_utils.own_code.settings import Settings, matches
from course_utils.own_code.source import Source, read_source
from course_utils.own_code.targets import parse
from course_utils.own_code.tryout.script import ORIGINAL, REPAIRS, YOURS, Ran, ran

FAULTS = ("4.2", "10.1", "2.1", "12.5")
HARMLESS = "12.4"  # found, and no fault of this script
# By so much an hour (100 cents) the forecast may be off; the first script's is by four.
ENOUGH = 1.0
# Of every project's own settings none counts here; a busy machine is waited for.
SETTINGS = Settings(seconds=300.0)
_COMMENT = re.compile(r"#\s*course:\s*ignore(?P<ids>\[[^\]]*\])?(?P<reason>.*)")
_hints_given: Counter[str] = Counter()


def _examined(source: Source) -> Report:
    """Return all findings of a script, those that a comment answers included."""
    open_text = _COMMENT.sub("#", source.text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, source.path.name)
        path.write_text(open_text, "utf-8")
        targets = [parse(str(path))]
        read, _ = read_named(targets, SETTINGS)
        return joined(read, run_named(targets, SETTINGS))


def _line(source: Source, finding: Finding) -> str:
    return f"Line {finding.line} of {source.path.name}"


def _is_answered(source: Source, finding: Finding) -> bool:
    return matches(finding.practice, source.ignored.get(finding.line, ()))


def _faults_left(source: Source, report: Report) -> Iterator[str]:
    due = [each for each in in_order(report.findings) if each.severity != "note"]
    for each in due:
        if each.practice not in FAULTS:
            continue
        what = f"{each.practice}: {each.seen} {each.remedy}"
        if _is_answered(source, each):
            yield (
                "A comment hides a fault that harms this script. "
                f"{_line(source, each)}, {what}"
            )
        yield f"{_line(source, each)}, {what}"
    for each in due:
        if each.practice != HARMLESS and not _is_answered(source, each):
            yield (
                "Something new is found. "
                f"{_line(source, each)}, {each.practice}: {each.seen} {each.remedy}"
            )


def _unasked(report: Report) -> Iterator[str]:
    for each in report.unasked:
        if not each.practice:
            yield f"Nothing could be asked by running: {each.reason}"
    for each in report.unasked:
        if each.practice in FAULTS:
            yield f"{each.practice} could not be asked: {each.reason}"


def _harmless(source: Source, report: Report) -> Iterator[str]:
    for each in report.findings:
        if each.practice != HARMLESS:
            continue
        comment = _COMMENT.search(source.text.splitlines()[each.line - 1])
        above = _COMMENT.search(source.text.splitlines()[each.line - 2])
        comment = comment or above
        if comment is None or not _is_answered(source, each):
            yield (
                f"The four faults are gone. {_line(source, each)} is left, {HARMLESS}: "
                f"{each.seen} Is one of these batches small? Mend it, or answer it at "
                f"its line: `# course: ignore[{HARMLESS}]`, then why."
            )
        elif comment["ids"] is None:
            yield (
                f"{_line(source, each)} ignores whatever is found there, even what is "
                f"not there yet. Name the practice: `# course: ignore[{HARMLESS}]`."
            )
        elif len(comment["reason"].split()) < 3:
            yield (
                f"{_line(source, each)} does not say why {HARMLESS} may be ignored. "
                "Anyone who reads it next year needs the reason: write it after the "
                "bracket."
            )


def _does_not_train(whole: Ran) -> Iterator[str]:
    if not whole.updates:
        yield "No finding is left, and nothing is trained: no optimizer made a step."
    elif not whole.tested:
        yield "No finding is left, and nothing is tested: call `trainer.test`."
    elif not min(whole.tested.values()) < ENOUGH:
        cents = 100 * min(whole.tested.values())
        yield (
            f"No finding is left, but an hour is forecast to within {cents:.0f} cents "
            f"only; the mended script comes below {100 * ENOUGH:.0f}."
        )


def _is_untouched(source: Source) -> bool:
    first = read_source(ORIGINAL)
    same_code = ast.dump(source.tree) == ast.dump(first.tree)
    return same_code and source.ignored == first.ignored


def _judged(path: Path) -> tuple[Status, str]:
    try:
        source_of(path)
        source = read_source(path)
        if _is_untouched(source):
            return "not attempted", "Change the script, save it, then check."
        report = _examined(source)
        complaints = (
            *_faults_left(source, report),
            *_unasked(report),
            *_harmless(source, report),
        )
        if complaints:
            return "incorrect", complaints[0]
        whole = ran(path)
        if found := next(_does_not_train(whole), None):
            return "incorrect", found
    except (LearnerError, ValueError) as error:
        return "incorrect", str(error)
    message = "No finding is left, none is hidden, and the script trains."
    for line in whole.said.splitlines()[-1:]:
        message += f" Its last words: {line}"
    return "correct", message


def judge(path: str | Path = YOURS) -> CheckResult:
    """Check a script, run it, and return the verdict with the next step."""
    return CheckResult(progress.OWN_CODE, *_judged(Path(path)))


def check_script(path: str | Path = YOURS) -> None:
    """Show whether your script is mended, with the next step if it is not."""
    result = judge(path)
    if result.status != "not attempted":
        progress.record("exercise", progress.OWN_CODE, result.status)
    display(result)


def hint(practice: str | float) -> None:
    """Print the next of three hints for one finding, from a nudge to the repair.

    Args:
        practice: Of the finding, for example ``"4.2"``.
    """
    key = str(practice).strip()
    if key not in REPAIRS:
        print(f"Expected one of {', '.join(REPAIRS)} but got {key!r}.")
        return
    hints = REPAIRS[key].hints
    given = min(_hints_given[key], len(hints) - 1)
    _hints_given[key] += 1
    print(f"Hint {given + 1} of {len(hints)}. {hints[given]}")
