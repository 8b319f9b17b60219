"""Plant standard mistakes in every solution and see that the checker notices each.

A mutant that is still judged correct shows a clause that nothing checks, unless the
exercise leaves the change open; then ``equivalent_mutants.toml`` gives the reason.
Nothing is random: the same solutions give the same mutants in the same order.
"""

import argparse
import ast
import dataclasses
import difflib
import faulthandler
import functools
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from course_utils import syllabus
from course_utils.authoring.answers import last_definition, names_above
from course_utils.authoring.compare_outputs import ENVIRONMENT
from course_utils.exercises import api, cells

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXPLAINED = Path(__file__).with_name("equivalent_mutants.toml")
PROCESSES = 2
SECONDS = 200  # until a process that hangs is ended; a check ends after 60
# A status that says nothing against an answer.
_UNNOTICED = ("correct", "cannot be checked")
Mutations = Iterator[tuple[str, ast.AST | list[ast.stmt]]]

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_WORDS = {"min": "max", "max": "min", "argmin": "argmax", "argmax": "argmin"}
_MODES = {
    "train": "val",
    "val": "train",
    "test": "val",
    "eval": "train",
    "training": "validation",
    "validation": "training",
}
_MODE = re.compile(rf"(?<![a-z])({'|'.join(_MODES)})(?![a-z])")
# What `self.f()` or `F.f()` is without its call is no mistake that anybody makes.
_NAMESPACES = {"self", "F", "L", "nn", "np", "torch", "v2"}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A solution with one mistake planted.

    Attributes:
        practice: Practice id.
        kind: What was done, for example ``"swap an operator"``.
        change: Function, old lines and new lines, for example ``"f: x + 1 -> x - 1"``.
        source: The whole answer.
    """

    practice: str
    kind: str
    change: str
    source: str


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _in_mode(name: str) -> str:
    """Return a name or a text for another stage: ``train_set`` for ``val_set``."""
    return _MODE.sub(lambda found: _MODES[found[1]], name)


def _renamed(name: str) -> Iterator[tuple[str, str]]:
    if name in _WORDS:
        yield "swap an operator", _WORDS[name]
    if _in_mode(name) != name:
        yield "wrong mode", _in_mode(name)


def _other_constant(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, bool):
        yield "negate a condition", not value
    elif isinstance(value, int):
        yield "off by one", value + 1
    elif isinstance(value, float):
        yield "change a constant", 2 * value or 0.5
    elif isinstance(value, str):
        yield from _renamed(value)


def _other_function(node: ast.FunctionDef) -> Mutations:
    body = node.body

    def with_body(new: list[ast.stmt]) -> ast.AST:
        fields = {name: getattr(node, name) for name in node._fields}
        return ast.FunctionDef(**{**fields, "body": new})

    first = 1 if _is_docstring(body[0]) else 0
    if len(body) - first > 2:
        at = first + 1
        yield "return early", with_body([*body[:at], ast.Return(), *body[at:]])
    if any(argument.arg == "batch_idx" for argument in node.args.args):
        later = ast.parse("if batch_idx > 0:\n    return None").body
        yield "first batch only", with_body([*later, *body])
    for _, name in () if _is_function_alone(node) else _renamed(node.name):
        renamed = with_body(body)
        renamed.name = name  # type: ignore[attr-defined]
        yield "wrong mode", renamed


def _is_missed_at_once(node: ast.stmt) -> bool:
    """Return whether a name or the whole answer would be missing without it."""
    if isinstance(node, ast.Assign):
        made = {ast.unparse(target) for target in node.targets}
        read = {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}
        names = {name for each in made for name in each.strip("()").split(", ")}
        return all(name.isidentifier() for name in names) and not names & read
    return isinstance(node, ast.ClassDef) or _is_function_alone(node)


def _is_function_alone(node: ast.AST) -> bool:
    arguments = node.args.args if isinstance(node, ast.FunctionDef) else []
    return bool(arguments) and arguments[0].arg != "self"


def _without_statement(node: ast.stmt) -> Mutations:
    if isinstance(node, ast.With | ast.Try):
        yield "drop a statement", node.body
    elif not (_is_docstring(node) or _is_missed_at_once(node)):
        yield "drop a statement", ast.Pass()


def _of_statement(node: ast.stmt) -> Mutations:
    yield from _without_statement(node)
    if isinstance(node, ast.FunctionDef):
        yield from _other_function(node)
    elif isinstance(node, ast.For):
        stopped = ast.For(node.target, node.iter, [*node.body, ast.Break()], [])
        yield "first batch only", stopped
    elif isinstance(node, ast.If | ast.While):
        negated = ast.UnaryOp(ast.Not(), node.test)
        yield "negate a condition", type(node)(negated, node.body, node.orelse)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        other = _OPERATORS[type(node.op)]()
        yield "swap an operator", ast.AugAssign(node.target, other, node.value)


def _of_call(node: ast.Call) -> Mutations:
    for keyword in node.keywords:
        others = [each for each in node.keywords if each is not keyword]
        yield "remove an argument", ast.Call(node.func, node.args, others)
    if isinstance(node.func, ast.Attribute):
        called = ast.unparse(node.func.value)
        if called.split(".")[0] not in _NAMESPACES and "super()" not in called:
            yield "drop a call", node.func.value


def _of_expression(node: ast.AST) -> Mutations:
    if isinstance(node, ast.Constant):
        for kind, value in _other_constant(node.value):
            yield kind, ast.Constant(value)
    elif isinstance(node, ast.Name):
        for kind, name in _renamed(node.id):
            yield kind, ast.Name(name, node.ctx)
    elif isinstance(node, ast.Attribute):
        for kind, name in _renamed(node.attr):
            yield kind, ast.Attribute(node.value, name, node.ctx)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)
    elif isinstance(node, ast.IfExp):
        yield "negate a condition", ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.UnaryOp):
        yield "swap an operator", node.operand
    elif type(node) in _OPERATORS:
        yield "swap an operator", _OPERATORS[type(node)]()


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST | list[ast.stmt]) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST | list[ast.stmt]:
        return self._new if node is self._old else self.generic_visit(node)


def _sources(source: str) -> Iterator[tuple[str, str]]:
    """Yield kind and source of each single change; some do not compile."""
    for place, node in enumerate(ast.walk(ast.parse(source))):
        find = _of_statement if isinstance(node, ast.stmt) else _of_expression
        for number in range(len(list(find(node)))):
            # Parsed again for each change: a transformer edits the tree in place.
            tree = ast.parse(source)
            old = list(ast.walk(tree))[place]
            kind, new = list(find(old))[number]
            changed = ast.fix_missing_locations(_Replace(old, new).visit(tree))
            yield kind, ast.unparse(changed)


def _function_at(source: str, line: int) -> str:
    """Return the name of the function that holds a line, ``""`` if there is none."""
    functions = [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and min([node.lineno, *(d.lineno for d in node.decorator_list)]) <= line
        and line <= (node.end_lineno or 0)
    ]
    return functions[-1] if functions else ""


def _joined(lines: list[str]) -> str:
    told = [line.strip() for line in lines if line.strip()]
    return "; ".join(told) if len(told) < 3 else f"{told[0]} …"


def _change(old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    parts, function = [], ""
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal":
            function = function or _function_at(old, min(i + 1, len(before)))
            parts.append(f"{_joined(before[i:j])} -> {_joined(after[k:m])}".strip())
    return f"{function}: {', '.join(parts)}".removeprefix(": ")


def _compiles(source: str) -> bool:
    try:
        compile(source, "<mutant>", "exec")
    except SyntaxError:
        return False
    return True


def mutants(practice: str, solution: str) -> list[Mutant]:
    """Return every mutant of a practice's solution that compiles, each once."""
    normal = ast.unparse(ast.parse(solution))
    found = {}
    for kind, source in _sources(normal):
        if source != normal and source not in found and _compiles(source):
            found[source] = Mutant(practice, kind, _change(normal, source), source)
    return list(found.values())


def _prepare(folder: str) -> None:
    """Make a process of the pool what a lesson's kernel is: one thread, and quiet."""
    os.environ.update(ENVIRONMENT)
    os.chdir(folder)  # an answer that stops half-way may leave files
    # A forked loader worker would wait forever for threads that it does not have.
    torch.set_num_threads(1)
    # Python made "spawn" the default here, by which a loader starts in seconds.
    multiprocessing.set_start_method(None, force=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())


def status(practice: str, source: str) -> str:
    """Return the status of an answer, or ``"no answer"`` if its cell raises."""
    try:
        answer = last_definition(source, names_above(practice))
    except Exception:
        return "no answer"
    return api.judge(api.find(practice), answer).status


def _watched_status(practice: str, source: str) -> str:
    # Should it hang where no exception reaches it, its process and the run end.
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        return status(practice, source)
    finally:
        faulthandler.cancel_dump_traceback_later()


@functools.cache
def explained() -> dict[tuple[str, str], str]:
    """Return the reason why a mutant may survive, by practice and change."""
    entries = tomllib.loads(EXPLAINED.read_text("utf-8"))["equivalent"]
    return {
        (entry["practice"], change): entry["reason"]
        for entry in entries
        for change in entry["changes"]
    }


@dataclasses.dataclass(frozen=True)
class Report:
    """What the checker said of the mutants of one exercise.

    Attributes:
        practice: Practice id.
        solution: Status of the solution itself; anything but correct is a fault.
        statuses: Each mutant with its status.
    """

    practice: str
    solution: str
    statuses: list[tuple[Mutant, str]]

    @property
    def survivors(self) -> list[tuple[Mutant, str]]:
        """The mutants that were not noticed, or not decided, and are unexplained."""
        return [
            (mutant, said)
            for mutant, said in self.statuses
            if said in _UNNOTICED and (self.practice, mutant.change) not in explained()
        ]

    @property
    def outdated(self) -> list[str]:
        """The explained changes that are noticed, or no longer made."""
        left = {mutant.change for mutant, said in self.statuses if said in _UNNOTICED}
        reasons = explained()
        return [c for p, c in reasons if p == self.practice and c not in left]

    @property
    def ok(self) -> bool:
        """Whether nothing is left to do."""
        faults = self.survivors or self.outdated
        return self.solution == "correct" and not faults

    def __str__(self) -> str:
        """One line of counts, then one for each survivor."""
        judged = [said for _, said in self.statuses if said != "no answer"]
        noticed = sum(said not in _UNNOTICED for said in judged)
        lines = [
            f"{self.practice}: {len(judged)} mutants, {noticed} noticed, "
            f"{len(self.survivors)} unexplained"
        ]
        if self.solution != "correct":
            lines.append(f"    the solution itself: {self.solution}")
        lines += [
            f"    {said}, {mutant.kind}: {mutant.change}"
            for mutant, said in self.survivors
        ]
        lines += [f"    explained in vain: {change}" for change in self.outdated]
        return "\n".join(lines)


def run(practices: Sequence[str]) -> Iterator[Report]:
    """Yield the report on each practice's solution."""
    solutions = {practice: cells.load()[practice].solution for practice in practices}
    made = {practice: mutants(practice, solutions[practice]) for practice in practices}
    tasks = [
        (practice, source)
        for practice in practices
        for source in (solutions[practice], *(m.source for m in made[practice]))
    ]
    fresh = multiprocessing.get_context("spawn")
    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(PROCESSES, fresh, _prepare, (folder,)) as pool,
    ):
        found = pool.map(_watched_status, *zip(*tasks, strict=True))
        for practice in practices:
            solution = next(found)
            statuses = [(mutant, next(found)) for mutant in made[practice]]
            yield Report(practice, solution, statuses)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a report on each exercise; return 1 if a survivor is unexplained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lessons", nargs="*", help="for example 12; default: all")
    chosen = parser.parse_args(arguments).lessons
    table = syllabus.load()
    lessons = [table.lesson(name) for name in chosen] if chosen else table.ready
    practices = [practice.id for lesson in lessons for practice in lesson.practices]
    ok = True
    for report in run(practices):
        print(report, flush=True)
        ok = ok and report.ok
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
