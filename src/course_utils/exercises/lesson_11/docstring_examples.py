"""Do the examples of a docstring run, and would they notice a mistake?"""

import contextlib
import doctest
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np
import torch

from course_utils.checks.finding import Finding
from course_utils.checks.learner_code import learners_code
from course_utils.experiments.global_state import preserve_global_state

Function = Callable[..., Any]

_WRITE_ONE = "Write a call after >>>, and below it what it prints."


@dataclass(frozen=True)
class Examples:
    """What the examples of one docstring did.

    Attributes:
        count: Examples that ran.
        failed: Examples that printed something other than the docstring says.
        first: The first of them as half a sentence, for example
            ``"`f(2)` gave `4` instead of `5`"``, ``""`` if none failed.
    """

    count: int
    failed: int
    first: str


class _SentenceRunner(doctest.DocTestRunner):
    """Writes each failure as half a sentence instead of a report."""

    def __init__(self) -> None:
        super().__init__(verbose=False)
        self.count = 0
        self.sentences: list[str] = []

    def _add(self, example: doctest.Example, got: str) -> None:
        source = " ".join(example.source.split())
        got, want = (text.strip("\n") or "nothing" for text in (got, example.want))
        if "\n" not in got + want:
            self.sentences.append(f"`{source}` gave `{got}` instead of `{want}`")
            return
        got, want = (f"\n\n{textwrap.indent(each, '    ')}\n\n" for each in (got, want))
        alike = "".join(got.split()) == "".join(want.split())
        what = "of which only spaces and line breaks differ" if alike else "as written"
        self.sentences.append(f"`{source}` gave{got}instead of{want}{what}")

    def report_start(self, out: Any, test: Any, example: doctest.Example) -> None:
        self.count += 1

    def report_success(self, *_: Any) -> None:
        """Say nothing."""

    def report_failure(
        self, out: Any, test: Any, example: doctest.Example, got: str
    ) -> None:
        self._add(example, got)

    def report_unexpected_exception(
        self, out: Any, test: Any, example: doctest.Example, exc_info: Any
    ) -> None:
        kind, error, _ = exc_info
        if not isinstance(error, Exception):  # a time limit, or `exit`
            raise error
        self._add(example, f"{kind.__name__}: {error}")


def _globals_of(thing: Any) -> dict[str, Any]:
    """Return the names that code beside ``thing`` sees."""
    own = [thing, *(vars(thing).values() if isinstance(thing, type) else ())]
    found = [inspect.unwrap(each) for each in own if callable(each)]
    return next((dict(f.__globals__) for f in found if isinstance(f, FunctionType)), {})


@contextlib.contextmanager
def _default_print_options() -> Iterator[None]:
    """Print tensors as a new process does, and afterwards as before."""
    before = vars(torch._tensor_str.PRINT_OPTS).copy()
    with np.printoptions():
        torch.set_printoptions(profile="default")
        try:
            yield
        finally:
            torch.set_printoptions(**before)


def run_examples(thing: Any, **names: Any) -> Examples:
    """Run the examples in the docstring of a function or class, as doctest does.

    Random state and other settings of the process are put back afterwards.

    Args:
        thing: A function, method or class.
        **names: What the examples see besides the names beside ``thing``.

    Raises:
        ValueError: If the docstring cannot be read as examples.

    Example:
        >>> def double(x):
        ...     '''>>> double(2)
        ...     5
        ...     '''
        ...     return 2 * x
        >>> run_examples(double)
        Examples(count=1, failed=1, first='`double(2)` gave `4` instead of `5`')
    """
    seen = {**_globals_of(thing), thing.__name__: thing, **names}
    text = inspect.getdoc(thing) or ""
    test = doctest.DocTestParser().get_doctest(text, seen, thing.__name__, None, 0)
    runner = _SentenceRunner()
    with preserve_global_state(), _default_print_options():
        runner.run(test, out=lambda _: None)
    failures = runner.sentences
    return Examples(runner.count, len(failures), failures[0] if failures else "")


def _run(function: Function, version: Function) -> Examples:
    """Run the examples of ``function`` while its name means ``version``."""
    with learners_code("An example of your docstring"):
        return run_examples(function, **{function.__name__: version})


def examples_pass(function: Function, seeds: int = 3) -> Finding:
    """Check that the docstring holds examples, and that they pass.

    Args:
        function: Has a docstring.
        seeds: How often they must pass, each time from another seed.

    Raises:
        LearnerError: If the docstring cannot be read.
    """
    for seed in range(seeds):
        with preserve_global_state():
            torch.manual_seed(seed)
            ran = _run(function, function)
        if not ran.count:
            seen = "The docstring holds no example that runs."
            return Finding(seen, False, _WRITE_ONE)
        if ran.failed:
            when = "Now and then" if seed else "With your own function"
            remedy = "Leave nothing to chance." if seed else "Correct one of the two."
            return Finding(f"{when} {ran.first}.", False, remedy)
    return Finding("All examples pass.", True)


def examples_notice(
    function: Function, mutants: Mapping[str, Function]
) -> Iterator[Finding]:
    """Check for each wrong version that an example fails with it.

    Args:
        function: Has a docstring with examples that pass.
        mutants: Wrong versions by what they do, for example
            ``{"returns the smallest": min}``.

    Raises:
        LearnerError: If the docstring cannot be read.
    """
    for does, mutant in mutants.items():
        seen = f"All examples pass with a wrong version that {does}."
        noticed = _run(function, mutant).failed > 0
        yield Finding(seen, noticed, "Add a case in which it answers something else.")


def examples_allow(
    function: Function, variants: Mapping[str, Function]
) -> Iterator[Finding]:
    """Check that the examples pass with other versions that are right as well.

    Args:
        function: Has a docstring with examples that pass.
        variants: Right versions by what they do.

    Raises:
        LearnerError: If the docstring cannot be read.
    """
    for does, variant in variants.items():
        ran = _run(function, variant)
        seen = f"Another right version {does}. There {ran.first}."
        remedy = "Show only what every right version answers."
        yield Finding(seen, not ran.failed, remedy)
