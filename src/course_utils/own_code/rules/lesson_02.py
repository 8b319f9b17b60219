"""2.1 devices by name, 2.2 tensors made elsewhere, 2.3 tensors that are no buffers."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from course_utils.own_code.classes import Class, Function, Project
from course_utils.own_code.flow import imported_as, value_of
from course_utils.own_code.registry import Edit, Seen, rule
from course_utils.own_code.source import Source
from course_utils.own_code.syntax import (
    argument,
    block_of,
    calls,
    dotted,
    inside,
    is_self,
    last,
    literal,
    own_nodes,
    parents,
    statement_of,
    targets,
    unknown_arguments,
)

_GPU = re.compile(r"^(cuda|mps)(:\d+)?$")
_RANDOM = ("rand", "randn", "randint", "randperm")
_MADE = (*_RANDOM, "zeros", "ones", "full", "empty", "arange", "linspace", "eye")
_FROM_VALUES = (
    "tensor",
    "as_tensor",
    "Tensor",
    "FloatTensor",
    "LongTensor",
    "from_numpy",
)
# Reads of a tensor that do not care where it is.
_ANYWHERE = ("to", "type_as", "shape", "size", "device", "dtype", "numel", "dim", "cpu",
             "tolist", "item", "numpy", "ndim", "cuda")  # fmt: skip


def _makes(node: ast.AST, names: tuple[str, ...], cls: Class) -> bool:
    """Return whether an expression is a call such as ``torch.zeros(...)``."""
    if not isinstance(node, ast.Call) or last(node) not in names:
        return False
    return imported_as(cls, node.func) == f"torch.{last(node)}"


def _names_a_gpu(node: ast.AST) -> bool:
    """Return whether a text is a device that something is to be put on."""
    parent = getattr(node, "parent", None)
    if isinstance(parent, ast.IfExp) and node is not parent.test:
        inner = isinstance(getattr(parent, "parent", None), ast.IfExp)
        return not inner and bool(calls(parent.test, "is_available"))
    if isinstance(parent, ast.keyword):
        return parent.arg == "device"
    return isinstance(parent, ast.Call) and last(parent) in ("to", "device")


def _asks_for_the_kind(node: ast.AST) -> bool:
    """Return whether a node stands in a branch for one kind of device."""
    tests = (p.test for p in parents(node) if isinstance(p, ast.If))
    return any(
        isinstance(each, ast.Attribute) and each.attr in ("type", "is_cuda")
        for test in tests
        for each in inside(test)
    )


@rule("2.1")
def device_by_name(source: Source, project: Project) -> Iterator[Seen]:
    """Find devices named inside a module."""
    remedy = "Use `self.device`, or the device of a tensor that is at hand."
    for cls in project.of(source, "module", "network"):
        for function in cls.methods.values():
            if function.name in ("to", "cuda", "cpu", "_apply"):
                continue
            for node in inside(function):
                if isinstance(node, ast.Call) and last(node) == "cuda":
                    named = f"`{ast.unparse(node.func)}()`"
                    if not isinstance(node.func, ast.Attribute):
                        continue
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    if not _GPU.match(node.value) or not _names_a_gpu(node):
                        continue
                    named = f'"{node.value}"'
                else:
                    continue
                if _asks_for_the_kind(node):
                    continue
                yield Seen(
                    node,
                    f"`{function.name}` names a device, {named}: it fails, or "
                    "computes elsewhere, on any other.",
                    remedy,
                )


def _edit(call: ast.Call) -> Edit | None:
    """Return how to make the tensor there, where that is the same by the letter."""
    made = call.func.value  # type: ignore[attr-defined]
    plain = last(call) == "to" and len(call.args) == 1 and not call.keywords
    if not plain or not isinstance(made, ast.Call) or last(made) not in _MADE:
        return None
    there = dotted(call.args[0])
    if unknown_arguments(made) or not there.endswith("device"):
        return None
    return Edit(call, "made_there", (there,))


def _is_repeated(method: str) -> bool:
    """Return whether a method is one that runs in every step, by its name."""
    once = ("init", "reset", "setup", "fit", "configure", "build")
    return not method.lstrip("_").startswith(once)


def _is_empty(made: ast.Call) -> bool:
    counts = last(made) in ("empty", "zeros", "ones", "rand", "randn")
    return counts and bool(made.args) and literal(made.args[0], default=1) == 0


def _made_on_the_cpu(value: ast.AST, cls: Class) -> ast.Call | None:
    """Return the call that makes a tensor of ``value`` on the CPU, if it has to be so.

    ``torch.rand(2).float()`` is one. A generator of the CPU draws the same on every
    machine, and pinned memory is on its way: both are meant.
    """
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if last(value) == "pin_memory":
            return None
        if _makes(value, _MADE, cls):
            meant = {"device", "generator", "pin_memory", "out"}
            given = {each.arg for each in value.keywords}
            return None if given & meant or _is_empty(value) else value
        value = value.func.value
    return None


def _is_a_device(node: ast.expr) -> bool:
    """Return whether an expression is a device: by its name, or as a text."""
    if isinstance(node, ast.Call):
        return last(node) == "device"
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(_GPU.match(node.value))
    return "device" in dotted(node)


def _moves(call: ast.Call) -> bool:
    """Return whether a call copies its tensor to a device."""
    if not isinstance(call.func, ast.Attribute):
        return False
    if last(call) in ("cuda", "type_as"):
        return True
    device = argument(call, "device", 0)
    return last(call) == "to" and device is not None and _is_a_device(device)


def _is_first_use(name: ast.Name, function: Function, made: ast.Call) -> bool:
    """Return whether nothing is done with a new tensor before it is copied.

    One that a loop fills is better filled where Python is, and copied once.
    """
    given, moved = statement_of(made), statement_of(name)
    if given is None or block_of(given) is not block_of(moved):
        return False
    places = [
        (node.lineno, node.col_offset)
        for node in own_nodes(function)
        if isinstance(node, ast.Name) and node.id == name.id
        # The name is assigned again after what it is given: `x = x.to(device)`.
        if not (isinstance(node.ctx, ast.Store) and node.parent is moved)  # type: ignore[attr-defined]
    ]
    after = (made.lineno, made.col_offset)
    return min(p for p in places if p > after) == (name.lineno, name.col_offset)


def _is_kept(call: ast.Call) -> bool:
    """Return whether ``self`` keeps what is copied: then it may be copied once."""
    return any(is_self(each) for each in targets(statement_of(call) or call))


def _origin(call: ast.Call, function: Function, cls: Class) -> ast.Call | None:
    """Return the call that made what is copied, in this expression or a line above."""
    value = call.func.value  # type: ignore[attr-defined]
    if not isinstance(value, ast.Name):
        return _made_on_the_cpu(value, cls)
    given = value_of(value.id, call, function)
    made = _made_on_the_cpu(given, cls) if given is not None else None
    return made if made and _is_first_use(value, function, made) else None


@rule("2.2")
def made_elsewhere(source: Source, project: Project) -> Iterator[Seen]:
    """Find tensors that are made on the CPU and copied in every step."""
    for cls in project.of(source, "module", "network"):
        for name, function in cls.methods.items():
            moves = calls(function, "to", "cuda", "type_as")
            for call in filter(_moves, moves if _is_repeated(name) else ()):
                made = _origin(call, function, cls)
                if made is None or _asks_for_the_kind(call) or _is_kept(call):
                    continue
                yield Seen(
                    call,
                    f"`torch.{last(made)}` makes a tensor on the CPU, and "
                    f"`{last(call)}` copies it in every call of `{name}`.",
                    "Make it where it is needed: `device=...`, or a function such "
                    "as `torch.randn_like`.",
                    severity="warning" if last(made) in _RANDOM else "note",
                    edit=_edit(call),
                )


_LOADS = ("on_load_checkpoint", "set_extra_state", "load_state_dict")


@dataclass
class _Attribute:
    """What a class does with one tensor attribute outside ``__init__``."""

    used: list[str] = field(default_factory=list)  # methods that compute with it
    updated: list[str] = field(default_factory=list)  # methods that go on from it
    given: list[str] = field(default_factory=list)  # methods that assign it again
    moved: bool = False


def _tensor_made(value: ast.expr, cls: Class) -> ast.Call | None:
    """Return the call that makes a tensor, of ``torch.zeros(2).float()`` the first."""
    while isinstance(value, ast.Call):
        if _makes(value, (*_MADE, *_FROM_VALUES), cls):
            return value
        value = (
            value.func.value if isinstance(value.func, ast.Attribute) else value.func
        )
    return None


def _has_dimensions(made: ast.Call) -> bool:
    """Return whether a tensor surely is no single number, which any device takes."""
    if last(made) in _FROM_VALUES:
        values = made.args[0] if made.args else None
        return isinstance(values, ast.List | ast.Tuple | ast.ListComp)
    return True


def _look(function: Function, name: str, found: _Attribute) -> None:
    for node in own_nodes(function):
        if not is_self(node, name):
            continue
        parent = node.parent  # type: ignore[attr-defined]
        if isinstance(node.ctx, ast.Store | ast.Del):  # type: ignore[attr-defined]
            value = getattr(parent, "value", None)
            reads = value is not None and any(is_self(n, name) for n in inside(value))
            if value is not None and reads and calls(value, "to", "cuda", "type_as"):
                found.moved = True
            elif reads or isinstance(parent, ast.AugAssign):
                found.updated.append(function.name)
            else:
                found.given.append(function.name)
        elif isinstance(parent, ast.Attribute):
            if parent.attr.endswith("_") and not parent.attr.endswith("__"):
                found.updated.append(function.name)
            elif parent.attr not in _ANYWHERE:
                found.used.append(function.name)
        elif isinstance(parent, ast.Subscript) and node is parent.value:
            if isinstance(parent.ctx, ast.Store):
                found.updated.append(function.name)
        elif not (isinstance(parent, ast.Call) and last(parent) in ("len", "print")):
            found.used.append(function.name)


def _registers(cls: Class, name: str) -> bool:
    keeps = ("register_buffer", "register_parameter")
    return any(
        isinstance(call.args[0], ast.Constant) and call.args[0].value == name
        for each in cls.family
        for call in calls(each.node, *keeps)
        if call.args
    )


def plain_tensors(cls: Class) -> Iterator[tuple[ast.Assign, str, _Attribute]]:
    """Yield the tensors that ``__init__`` keeps as plain attributes, and their use."""
    init = cls.methods.get("__init__")
    for node in own_nodes(init) if init else ():
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        target = node.targets[0]
        if not is_self(target) or _tensor_made(node.value, cls) is None:
            continue
        name = target.attr  # type: ignore[attr-defined]
        if name == "example_input_array" or _registers(cls, name):
            continue
        found = _Attribute()
        for each in cls.family:
            for method, function in each.methods.items():
                if method not in ("__init__", *_LOADS):
                    _look(function, name, found)
        yield node, name, found


def _moves_itself(cls: Class) -> bool:
    return any(cls.method(name) for name in ("_apply", "to"))


@rule("2.3")
def no_buffer(source: Source, project: Project) -> Iterator[Seen]:
    """Find tensors that do not move with their module, or are not saved with it."""
    for cls in project.of(source, "module", "network"):
        if _moves_itself(cls):
            continue
        for node, name, found in plain_tensors(cls):
            made = _tensor_made(node.value, cls)
            stays = found.used and not found.moved and not found.given
            stays = stays and made is not None and _has_dimensions(made)
            if found.updated and not found.given:
                seen = (
                    f"`self.{name}` is a plain tensor that `{found.updated[0]}` "
                    "changes: no checkpoint holds it, and it does not move with the "
                    "module."
                )
                edit, remedy = None, f'`self.register_buffer("{name}", ...)`.'
            elif stays:
                seen = (
                    f"`self.{name}` is a plain tensor: it stays on the CPU when the "
                    f"module is moved, and `{found.used[0]}` computes with it."
                )
                edit = Edit(node, "buffer", (name,))
                remedy = (
                    f'`self.register_buffer("{name}", ..., persistent=False)`; without '
                    "`persistent=False` checkpoints hold it, too."
                )
            else:
                continue
            yield Seen(node, seen, remedy, edit=edit)
