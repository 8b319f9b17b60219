"""The module that questions are asked of, with a few batches of its data."""

import copy
import functools
import importlib
import inspect
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader

from course_utils.checks.fit import fit
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.training_step import tensors_in
from course_utils.measure import AnyLogger, OptimizerSteps
from course_utils.own_code.delivery import delivering, forgo_writes, lend_hooks


class Watch(L.Callback):
    """What one fit does to batches, gradients and what the module holds.

    Attributes:
        skipped: For each batch, whether the step returned nothing.
        changed: For each batch, whether the step changed its tensors.
        graphs: For each batch, how many tensors with a graph the module holds after it.
        infinite: Name of the first parameter with a gradient that is no number, and the
            batch, from 0.
        touched: Names of parameters that got a gradient.
        reached: Names of those that got one other than 0.
        owned: For each optimizer, identities of the parameters that it holds; empty if
            the module configures none.
        moved: Names of parameters that have other values at the end.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.skipped: list[bool] = []
        self.changed: list[bool] = []
        self.graphs: list[int] = []
        self.infinite: tuple[str, int] | None = None
        self.touched: set[str] = set()
        self.reached: set[str] = set()
        self.owned: list[set[int]] = []
        self.moved: set[str] = set()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note what the optimizers hold, and the values that weights begin with."""
        named = pl_module.named_parameters()
        self._first = {n: p.detach().clone() for n, p in named if not is_lazy(p)}
        self.owned = [
            {id(p) for group in each.param_groups for p in group["params"]}
            for each in trainer.optimizers
            # Lightning's own, where a module has none.
            if type(each).__name__ != "_MockOptimizer"
        ]

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, *_: Any
    ) -> None:
        """Copy the batch's tensors."""
        self._before = [(t, t.detach().clone()) for t in tensors_in(batch)]

    def on_after_backward(
        self, trainer: L.Trainer, pl_module: L.LightningModule
    ) -> None:
        """Look at each gradient."""
        for name, weight in pl_module.named_parameters():
            if weight.grad is None:
                continue
            self.touched.add(name)
            if weight.grad.layout is not torch.strided:
                self.reached.add(name)
                continue
            if not weight.grad.isfinite().all() and self.infinite is None:
                self.infinite = name, len(self.changed)
            if weight.grad.any():
                self.reached.add(name)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        *_: Any,
    ) -> None:
        """Compare the batch, and count graphs."""
        self.skipped.append(not isinstance(outputs, Tensor | dict) or outputs == {})
        pairs = self._before
        self.changed.append(any(not _equal(t, value) for t, value in pairs))
        held = tree_leaves([vars(m) for m in pl_module.modules()])
        tensors = (each for each in held if isinstance(each, Tensor))
        self.graphs.append(len({id(t) for t in tensors if t.grad_fn is not None}))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare the weights with those at the start."""
        for name, weight in pl_module.named_parameters():
            if name in self._first and not _equal(weight, self._first[name]):
                self.moved.add(name)
        del self._first


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(
        one.detach().nan_to_num(), other.nan_to_num()
    )


def files_elsewhere() -> dict[str, Any]:
    """Return arguments of a Trainer whose module writes to the temporary folder."""
    folder = tempfile.mkdtemp()  # inside that of the process, which is removed
    return {
        "logger": AnyLogger(folder),
        "default_root_dir": folder,
        "num_sanity_val_steps": 0,
    }


class FitStopped(CannotCheck):
    """The module's own fit stopped, so that little can be asked of it."""


@dataclass(frozen=True)
class Fitted:
    """One fit that was watched: the module after it, and what was seen.

    Attributes:
        module: Trained on the batches, one epoch.
        trainer: Its Trainer.
        watch: What was seen of it.
        steps: How many steps the optimizers made.
        warned: Texts of the warnings that were given.
    """

    module: L.LightningModule
    trainer: L.Trainer
    watch: Watch
    steps: int
    warned: list[str]


@dataclass
class Subject:
    """A module and a slice of its data.

    Attributes:
        name: As the user named it.
        make: Returns a new module, the same for the same state of the generators.
        train: Ready-made training batches.
        val: Ready-made validation batches of each loader; may be empty.
        make_data: Returns a new data module; None if the data are no data module.
        data: The data module that the batches are from, set up; else None.
        rebuilds: Whether `make` builds again instead of copying.
        loader: The training loader, None without one.
    """

    name: str
    make: Callable[[], L.LightningModule]
    train: Sequence[Any]
    val: Sequence[Sequence[Any]] = ()
    make_data: Callable[[], L.LightningDataModule] | None = None
    data: L.LightningDataModule | None = None
    rebuilds: bool = True
    loader: Any = None
    notes: dict[str, Any] = field(default_factory=dict)

    def new(self, seed: int = 0) -> L.LightningModule:
        """Return a new module, made under a seed.

        Raises:
            LearnerError: If it cannot be made.
        """
        scramble_global_rngs(seed)
        with learners_code("Making the module"):
            return self.built()

    def built(self) -> L.LightningModule:
        """Return a new module that takes the batches as its data module gives them."""
        return self.equipped(self.make())

    def equipped(self, module: L.LightningModule) -> L.LightningModule:
        """Return a module that was given its data module's hooks, and writes less."""
        if isinstance(module, L.LightningModule):
            lend_hooks(self.data, module)
            forgo_writes(module)
        return module

    def batches(self) -> list[Any]:
        """Return copies of the training batches.

        Raises:
            CannotCheck: If there are none.
        """
        if not self.train:
            raise CannotCheck("it needs data: name them with --data.")
        return copy.deepcopy(list(self.train))

    def fit(
        self, module: L.LightningModule, seed: int = 0, **trainer: Any
    ) -> L.Trainer:
        """Train a module on the batches, on the CPU.

        Raises:
            CannotCheck: If there are no batches, or the fit raises: then the question
                cannot be asked, whatever the reason.
        """
        validates = overrides(module, "validation_step")
        val = copy.deepcopy(list(self.val)) if validates else ()
        try:
            ready = delivering(self.data, self.loader, self.batches(), val)
            with ready as (train, others):
                scramble_global_rngs(seed)
                return fit(module, train, others, **files_elsewhere(), **trainer)
        except LearnerError as error:
            raise CannotCheck(f"a short fit stopped: {error}") from error

    @functools.cached_property
    def fitted(self) -> Fitted:
        """A fit of one epoch over the batches that was watched.

        Raises:
            CannotCheck: If it cannot be done.
        """
        module, watch = self.new(), Watch()
        self.batches()  # without any, nothing has stopped
        with warnings.catch_warnings(record=True) as warned, OptimizerSteps() as steps:
            warnings.simplefilter("always")
            try:
                trainer = self.fit(module, callbacks=[watch])
            except CannotCheck as error:
                raise FitStopped(str(error)) from error
        _let_go(module)
        texts = [str(each.message) for each in warned]
        return Fitted(module, trainer, watch, steps.count, texts)


def overrides(thing: L.LightningModule | L.LightningDataModule, name: str) -> bool:
    """Return whether a module or a data module has a hook of its own."""
    kinds = (L.LightningModule, L.LightningDataModule)
    base = next(kind for kind in kinds if isinstance(thing, kind))
    return getattr(type(thing), name) is not getattr(base, name)


def _cut(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _let_go(module: L.LightningModule) -> None:
    """Cut what a module holds off its graphs, which cannot be copied."""
    for part in module.modules():
        for name, value in list(vars(part).items()):
            held = [t for t in tree_leaves(value) if isinstance(t, Tensor)]
            if any(t.grad_fn is not None for t in held):
                vars(part)[name] = tree_map(_cut, value)


def place_of(kind: type, method: str = "") -> tuple[str, int]:
    """Return file and first line of a class, or of a method that it has.

    Returns:
        ``("", 0)`` if it has no file.
    """
    found = getattr(kind, method, None) if method else kind
    base = getattr(L.LightningModule, method, None) if method else None
    if found is None or found is base:
        found = kind
    try:
        found = inspect.unwrap(found)
        return inspect.getsourcefile(found) or "", inspect.getsourcelines(found)[1]
    except (OSError, TypeError):
        return "", 0


def imported(name: str) -> Any:
    """Return what ``package.module:Name`` means.

    Raises:
        CannotCheck: If it cannot be imported.
    """
    module, _, attribute = name.partition(":")
    try:
        with learners_code(f"Importing {module}"):
            found: Any = importlib.import_module(module)
            for part in filter(None, attribute.split(".")):
                found = getattr(found, part)
    except LearnerError as error:
        raise CannotCheck(str(error)) from error
    return found


def maker(thing: Any, name: str) -> Callable[[], Any]:
    """Return a function that makes a new object from a class or a function.

    Raises:
        CannotCheck: If it needs arguments.
    """
    if not callable(thing) or isinstance(thing, L.LightningModule | DataLoader):
        return lambda: copy.deepcopy(thing)
    parameters = inspect.signature(thing).parameters.values()
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD,
             inspect.Parameter.KEYWORD_ONLY)  # fmt: skip
    needed = [p.name for p in parameters if p.default is p.empty and p.kind in plain]
    if needed:
        raise CannotCheck(
            f"{name} needs {', '.join(needed)}: name a function without arguments that "
            "returns it, package.module:function."
        )
    return thing
