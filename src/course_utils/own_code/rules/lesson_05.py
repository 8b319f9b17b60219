"""5.1 seeds that come too late, 5.2 two switches against each other."""

import ast
from collections.abc import Iterator

from course_utils.own_code.classes import Function, Project
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import argument, calls, dotted, inside, last, literal

_KINDS = ("module", "network")


def _makes_a_model(value: ast.expr, source: Source, project: Project) -> bool:
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return False
    name = value.func.id
    cls = project.find(name, source)
    if cls is not None:
        return cls.kind in _KINDS
    makers = [n for n in source.nodes if isinstance(n, Function) and n.name == name]
    returned = [n.value for m in makers for n in inside(m) if isinstance(n, ast.Return)]
    return any(
        isinstance(each, ast.Call)
        and (made := project.find(dotted(each.func), source)) is not None
        and made.kind in _KINDS
        for each in returned
    )


def _is_seed(statement: ast.stmt) -> bool:
    found = calls(statement, "seed_everything", "manual_seed")
    return isinstance(statement, ast.Expr) and any(
        last(c) == "seed_everything" or dotted(c.func) == "torch.manual_seed"
        for c in found
    )


@rule("5.1")
def seeded_too_late(source: Source, project: Project) -> Iterator[Seen]:
    """Find models that are made before the random generators are seeded."""
    for function in (n for n in source.nodes if isinstance(n, Function)):
        body = function.body
        seeds = [i for i, each in enumerate(body) if _is_seed(each)]
        if not seeds:
            continue
        for each in body[: seeds[0]]:
            if not isinstance(each, ast.Assign) or len(each.targets) != 1:
                continue
            target = each.targets[0]
            if isinstance(target, ast.Name) and _makes_a_model(
                each.value, source, project
            ):
                yield Seen(
                    each,
                    f"`{target.id}` is made before the seed is set, with weights of "
                    "an unknown seed.",
                    "Seed first: `L.seed_everything(...)` as the function's first "
                    "statement.",
                )


@rule("5.2")
def deterministic_and_benchmark(source: Source, project: Project) -> Iterator[Seen]:
    """Find Trainers that ask for the same bits, and for a choice by the clock."""
    for call in (n for n in source.nodes if isinstance(n, ast.Call)):
        if last(call) == "Trainer":
            both = (argument(call, "deterministic"), argument(call, "benchmark"))
            if all(literal(each) is True for each in both):
                yield Seen(
                    call,
                    "`deterministic=True` and `benchmark=True`: the fastest algorithm "
                    "may be another one in the next run.",
                    "Leave `benchmark` out.",
                )
