"""1.1 optimization by hand, 1.2 splits without a seed, 1.3 weights without a place."""

import ast
import re
from collections.abc import Iterator

from course_utils.own_code.classes import Class, Function, Project
from course_utils.own_code.flow import optimizes_by_hand, resolved
from course_utils.own_code.registry import Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    argument,
    calls,
    dotted,
    last,
    literal,
    names_in,
    own_nodes,
    parameters,
    parents,
    scope_of,
    unknown_arguments,
)

_OPTIMIZER = re.compile(r"^(.*_)?opt(im(izer)?)?(_.*|\d)?$")
# Tests of a branch that is taken where no Trainer trains.
_ELSEWHERE = ("lightning", "trainer", "fabric", "automatic")
_SEEDS = ("seed_everything", "manual_seed", "seed")


def _backward_calls(cls: Class) -> Iterator[ast.Call]:
    step = cls.methods.get("training_step")
    for call in calls(step, "backward") if step else ():
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        if receiver is None or last(receiver) in ("super", "self") or call.args:
            continue  # `fabric.backward(loss)` and the module's own hook
        tests = [ast.unparse(p.test) for p in parents(call) if isinstance(p, ast.If)]
        if any(word in test for test in tests for word in _ELSEWHERE):
            continue
        yield call


@rule("1.1")
def backward_by_hand(source: Source, project: Project) -> Iterator[Seen]:
    """Find training steps that do the Trainer's work."""
    for cls in project.of(source, "module"):
        by_hand = optimizes_by_hand(cls)
        for call in _backward_calls(cls):
            yield Seen(
                call,
                f"`{ast.unparse(call)}` in `training_step` bypasses the Trainer: "
                "precision plugins and several processes do not see it.",
                "Call `self.manual_backward(loss)`."
                if by_hand
                else "Return the loss; the Trainer calls backward.",
                severity="warning" if by_hand else "error",
            )
        step = cls.methods.get("training_step")
        if by_hand or not cls.complete or step is None:
            continue
        for call in calls(step, "step"):
            receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
            if receiver is not None and _OPTIMIZER.match(last(receiver)):
                yield Seen(
                    call,
                    f"`{ast.unparse(call)}` in `training_step`, while the Trainer "
                    "steps the optimizers too.",
                    "Return the loss and leave the step to the Trainer, or set "
                    "`self.automatic_optimization = False`.",
                )


def _unseeded(call: ast.Call) -> bool:
    if unknown_arguments(call):
        return False
    if last(call) == "random_split":
        return argument(call, "generator", 2) is None
    never = literal(argument(call, "shuffle"), True) is False
    return argument(call, "random_state") is None and not never


def _seeded_above(call: ast.Call, scope: ast.AST) -> bool:
    return any(
        each.lineno < call.lineno
        for each in calls(scope, *_SEEDS)
        if "Generator" not in ast.unparse(each.func)
    )


def _splits(source: Source) -> Iterator[tuple[ast.Call, ast.AST]]:
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(
            node.func, ast.Name | ast.Attribute
        ):
            full = source.imports.get(dotted(node.func).split(".")[0], "")
            known = full.startswith(("torch", "sklearn"))
            if last(node) in ("random_split", "train_test_split") and known:
                scope = scope_of(node)
                if _unseeded(node) and not _seeded_above(node, scope):
                    yield node, scope


def _is_local(call: ast.Call, function: Function) -> bool:
    """Return whether a function splits what it has made itself, or was given."""
    made = {n.id for n in own_nodes(function) if isinstance(n, ast.Name) and _stored(n)}
    made |= {arg.arg for arg, _ in parameters(function)}
    return bool(names_in(call.args[0]) & made)


def _stored(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Store)


def _runs_again(function: ast.AST) -> bool:
    if not isinstance(function, Function):
        return False
    return function.name == "setup" or function.name.endswith("_dataloader")


@rule("1.2")
def split_without_a_seed(source: Source, project: Project) -> Iterator[Seen]:
    """Find splits that are drawn again at every call."""
    found = list(_splits(source))
    in_functions = [
        (ast.dump(call.args[0]), scope)
        for call, scope in found
        if call.args and isinstance(scope, Function) and not _is_local(call, scope)
    ]
    for call, scope in found:
        kinds = [
            c.kind
            for c in project.of(source, "data module", "module")
            if c.node in parents(call)
        ]
        if kinds and _runs_again(scope):
            where = f"`{scope.name}` draws"  # type: ignore[attr-defined]
            why = "which runs again for each stage and in each process"
        elif (
            call.args
            and any(
                same == ast.dump(call.args[0]) and other is not scope
                for same, other in in_functions
            )
            and isinstance(scope, Function)
        ):
            where, why = f"`{scope.name}` draws", "and so does another function here"
        else:
            continue
        seed = "generator=torch.Generator().manual_seed(0)"
        seed = seed if last(call) == "random_split" else "random_state=0"
        yield Seen(
            call,
            f"{where} a split without a seed of its own, {why}: images to validate on "
            "may have been trained on.",
            f"Pass `{seed}`.",
        )


def _is_its_own(call: ast.Call, scope: ast.AST) -> bool:
    """Return whether a module gets back its own state, of which parts were replaced."""
    state = resolved(call.args[0] if call.args else None, call, scope)
    receiver = getattr(call.func, "value", None)
    own = isinstance(state, ast.Call) and last(state) == "state_dict"
    whose = getattr(state.func, "value", None) if own else None
    return whose is not None and ast.dump(whose) == ast.dump(receiver)


def _is_explained(source: Source, call: ast.Call) -> bool:
    """Return whether a comment at the call speaks of what is missing."""
    lines = source.text.splitlines()
    comments = [lines[(call.end_lineno or call.lineno) - 1].partition("#")[2]]
    for line in reversed(lines[: call.lineno - 1]):
        if not line.strip().startswith("#"):
            break
        comments.append(line)
    words = ("strict", "missing", "unexpected")
    return any(word in comment for comment in comments for word in words)


@rule("1.3")
def weights_that_find_no_place(source: Source, project: Project) -> Iterator[Seen]:
    """Find ``load_state_dict(..., strict=False)`` whose answer nobody reads."""
    for node in source.nodes:
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
            continue
        call = node.value
        loose = literal(argument(call, "strict", 1), True) is False
        if last(call) != "load_state_dict" or not loose:
            continue
        hook = getattr(scope_of(node), "name", "") == "on_load_checkpoint"
        inherited = last(getattr(call.func, "value", None)) == "super"
        known = hook or inherited or _is_explained(source, call)
        if not known and not _is_its_own(call, scope_of(node)):
            yield Seen(
                call,
                "`strict=False`, and nobody reads which tensors found no place: "
                "none may have been loaded.",
                "Keep what it returns, and check `missing_keys` and `unexpected_keys`.",
            )
