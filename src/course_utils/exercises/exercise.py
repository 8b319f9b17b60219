"""An exercise: its cells, its examination and its hints."""

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from course_utils.checks.finding import Finding
from course_utils.exercises import cells


@dataclass(frozen=True)
class Exercise:
    """One task, judged by what the learner's code does.

    Attributes:
        practice: Practice id, for example ``"12.1"``.
        examine: Runs the learner's answer and yields findings, the most telling first.
            The first that is not fine becomes the message.
        hints: From a nudge to nearly the answer.
        reason: Why the solution is right, in a sentence or two.
        seconds: Time limit of the examination.
    """

    practice: str
    examine: Callable[[Any], Iterator[Finding]]
    hints: tuple[str, str, str]
    reason: str
    seconds: float = 60.0

    @property
    def starter(self) -> str:
        """The cell that the learner gets."""
        return cells.load()[self.practice].starter

    @property
    def solution(self) -> str:
        """A cell that is judged correct."""
        return cells.load()[self.practice].solution


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the functions of a module or class body, without those inside functions."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & inspect.CO_NEWLOCALS:
                yield constant
            else:
                yield from _functions(constant)


def _fingerprint(code: CodeType) -> tuple[Any, ...]:
    constants = tuple(
        _fingerprint(each) if isinstance(each, CodeType) else repr(each)
        for each in code.co_consts
    )
    return (code.co_name, code.co_code, code.co_names, code.co_varnames, constants)


def _code_of(answer: Any) -> list[CodeType]:
    if isinstance(answer, FunctionType):
        return [answer.__code__]
    own = vars(answer).values() if isinstance(answer, type) else ()
    return [each.__code__ for each in own if isinstance(each, FunctionType)]


def _adds(answer: type, starter: str) -> bool:
    """Return whether a class has other bases than the starter's, or more in its body.

    A mixin, or a property, may be all that the learner writes.
    """
    public = {name for name in vars(answer) if not name.startswith("_")}
    bases = [base.__name__ for base in answer.__bases__]
    return not any(
        bases == [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        and public <= {getattr(part, "name", "") for part in node.body}
        for node in ast.parse(starter).body
        if isinstance(node, ast.ClassDef)
    )


def is_untouched(answer: Any, starter: str) -> bool:
    """Return whether ``answer`` still consists of the starter's own functions.

    Comments and blank lines do not count, any other edit does. It says only whether
    the learner has begun; whether the answer is right is found by running it.
    """
    given = {_fingerprint(code) for code in _functions(compile(starter, "", "exec"))}
    found = {_fingerprint(code) for code in _code_of(answer)}
    same = bool(found) and found == given
    return same and not (isinstance(answer, type) and _adds(answer, starter))
