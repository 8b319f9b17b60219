"""Asked of a checkpoint: does everything come back?"""

import copy
import inspect
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.seed import isolate_rng

from course_utils.checks.exact_resume import resumes_exactly
from course_utils.checks.global_rngs import scramble_global_rngs
from course_utils.checks.interrupted_run import Place
from course_utils.checks.learner_code import CannotCheck, LearnerError, learners_code
from course_utils.checks.training_step import step
from course_utils.checks.weights_only import unloadable_values
from course_utils.formatting import first_names
from course_utils.own_code.classes import OWN_FILES
from course_utils.own_code.questions import Saw
from course_utils.own_code.registry import question
from course_utils.own_code.subject import Subject, files_elsewhere, place_of


def _loss(module: L.LightningModule, subject: Subject) -> torch.Tensor:
    """Return the loss of the first batch in evaluation mode."""
    module.eval()
    # Not under no_grad: a step may ask autograd for something.
    loss, _ = step(module, copy.deepcopy(subject.train[0]), data=subject.data)
    return loss.detach()


def _repeatable_loss(module: L.LightningModule, subject: Subject) -> torch.Tensor:
    """Return the loss, if asking twice gives it twice.

    Raises:
        CannotCheck: If it does not, or the step cannot be run alone.
    """
    subject.batches()
    first, second = _copied(module), _copied(module)
    try:
        one, two = _loss(first, subject), _loss(second, subject)
    except (LearnerError, TypeError, RuntimeError) as error:
        reason = f"a step alone, in evaluation mode, cannot be run: {error}"
        raise CannotCheck(reason) from error
    if not torch.equal(one, two) or not one.isfinite().all():
        raise CannotCheck("the loss of one batch is not the same twice.")
    return one


def _copied(module: L.LightningModule) -> L.LightningModule:
    try:
        with learners_code("Copying the module"):
            return copy.deepcopy(module)
    except LearnerError as error:
        raise CannotCheck(f"it takes a copy: {error}") from error


def _trained(subject: Subject) -> L.LightningModule:
    fitted = subject.fitted
    fitted.module.trainer = None  # with it, its data would be copied
    try:
        return _copied(fitted.module)
    finally:
        fitted.module.trainer = fitted.trainer


def _saved(subject: Subject, folder: str) -> Path:
    file = Path(folder, "module.ckpt")
    try:
        with learners_code("Saving a checkpoint"):
            subject.fitted.trainer.save_checkpoint(file)
    except LearnerError as error:
        raise CannotCheck(f"it takes a checkpoint: {error}") from error
    return file


def _checkpoint(subject: Subject) -> dict[str, Any]:
    """Return what a checkpoint of the trained module holds."""
    with tempfile.TemporaryDirectory() as folder:
        # Trusted: this process writes the file.
        found: dict[str, Any] = torch.load(_saved(subject, folder), weights_only=False)
        return found


def _is_complete(subject: Subject) -> bool:
    """Return whether the state that training leaves is all in a checkpoint.

    Raises:
        CannotCheck: If that cannot be said.
    """
    trained = _trained(subject)
    expected = _repeatable_loss(trained, subject)
    if not subject.rebuilds:
        raise CannotCheck("the script's module can be copied, not built again.")
    other = subject.new(seed=0)
    content = _checkpoint(subject)
    try:
        with learners_code("on_load_checkpoint"):
            other.on_load_checkpoint(content)
        other.load_state_dict(content["state_dict"], strict=other.strict_loading)
    except (LearnerError, RuntimeError) as error:
        said = " ".join(str(error).split("\n")[1:2]).strip() or str(error)
        raise CannotCheck(f"the state does not fit a new module: {said}") from error
    return torch.equal(_repeatable_loss(other, subject), expected)


@question("2.3")
def state_is_complete(subject: Subject) -> Iterator[Saw]:
    """Ask whether a new module with the state of a checkpoint gives the same loss."""
    if not _is_complete(subject):
        yield Saw(
            "A new module with the state that a checkpoint holds gives another loss "
            "than the trained one: something that training changed is not in it.",
            "Hold it in tensors registered with `register_buffer`, without "
            "`persistent=False`.",
        )


def _not_given(error: BaseException | None) -> str:
    """Return what an error says that a constructor was not given, ``""`` if nothing."""
    if isinstance(error, TypeError) and "missing" in str(error):
        return str(error)
    told = getattr(error, "errors", None)  # pydantic lists what it refuses
    listed = told() if callable(told) else ()
    missing = [each["loc"] for each in listed if "missing" in str(each.get("type"))]
    return ", ".join(".".join(map(str, place)) for place in missing)


_PLAIN = (bool, int, float, str)


def _has_own_files(kind: type[L.LightningModule]) -> bool:
    def found(owner: type, name: str) -> Any:
        return inspect.getattr_static(owner, name, None)

    return any(found(kind, n) is not found(L.LightningModule, n) for n in OWN_FILES)


def _unsaved_settings(module: L.LightningModule, needed: str) -> list[str]:
    """Return the arguments named in ``needed`` if all are settings, and none is saved.

    An argument is a setting if it is annotated with a plain type, or if the module
    keeps a plain value under its name. A class with files of its own may have them
    there.
    """
    kind = type(module)
    if module.hparams or _has_own_files(kind):
        return []
    taken = inspect.signature(kind).parameters
    plain = (*_PLAIN, *(each.__name__ for each in _PLAIN))
    names = re.findall(r"'(\w+)'", needed)
    settings = [
        f"`{name}`"
        for name in names
        if name in taken
        and (
            taken[name].annotation in plain
            or isinstance(vars(module).get(name), _PLAIN)
        )
    ]
    return settings if len(settings) == len(names) else []


def _load(kind: type[L.LightningModule], file: Path) -> L.LightningModule:
    try:
        return kind.load_from_checkpoint(file, map_location="cpu", weights_only=False)
    except TypeError as error:
        if "'weights_only'" not in str(error):
            raise
        # A class that loads in its own way gives this argument itself, or takes none.
        return kind.load_from_checkpoint(file, map_location="cpu")


def _how_to_save(module: L.LightningModule) -> str:
    """Return what to do so that a module is built again as it was."""
    if not module.hparams:
        return "Call `self.save_hyperparameters()` in `__init__`."
    plural = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    taken = inspect.signature(type(module)).parameters.values()
    left = [p.name for p in taken if p.kind not in plural]
    left = [f"`{name}`" for name in left if name not in module.hparams]
    if left:
        return (
            f"Save what `__init__` needs of {first_names(left)}, which the "
            "hyperparameters leave out, or hand it to `load_from_checkpoint`."
        )
    return "Look for what `__init__` draws or reads besides its arguments."


@question("3.1")
def rebuilds_from_a_checkpoint(subject: Subject) -> Iterator[Saw]:
    """Ask whether ``load_from_checkpoint`` gives the module back."""
    kind = type(subject.fitted.module)
    if not _is_complete(subject):
        raise CannotCheck("its state is not complete, see 2.3.")
    expected = _repeatable_loss(_trained(subject), subject)
    place = place_of(kind, "__init__")
    with tempfile.TemporaryDirectory() as folder:
        file = _saved(subject, folder)
        scramble_global_rngs(0)
        try:
            with learners_code("load_from_checkpoint"):
                loaded = _load(kind, file)
        except LearnerError as error:
            cause = error.__cause__
            needed = _not_given(cause)
            if settings := _unsaved_settings(subject.fitted.module, needed):
                yield Saw(
                    f"`load_from_checkpoint` needs {first_names(settings)}; the "
                    "checkpoint holds no settings.",
                    _how_to_save(subject.fitted.module),
                    *place,
                    severity="note",
                )
                return
            if needed:
                raise CannotCheck(f"loading needs arguments: {needed}.") from error
            if not isinstance(cause, RuntimeError) or "size mismatch" not in str(cause):
                raise CannotCheck(f"it cannot be loaded as it is: {error}") from error
            loaded = None
    if loaded is None:
        yield Saw(
            "`load_from_checkpoint` builds a module of other sizes than the one saved: "
            "its settings are not in the checkpoint.",
            _how_to_save(subject.fitted.module),
            *place,
            severity="error",
        )
    elif not torch.equal(_repeatable_loss(subject.equipped(loaded), subject), expected):
        yield Saw(
            "The module that `load_from_checkpoint` gives back has another loss than "
            "the one saved.",
            _how_to_save(subject.fitted.module),
            *place,
        )


def _heavy(subject: Subject) -> dict[str, dict[str, str]]:
    """Return what in each part of a checkpoint does not load by default."""
    if "heavy" not in subject.notes:
        subject.notes["heavy"] = {
            part: found
            for part, value in _checkpoint(subject).items()
            if (found := unloadable_values(value, part))
        }
    return subject.notes["heavy"]


def _named(found: dict[str, str], part: str) -> str:
    values = [
        f"`{name}` is {'an' if kind[0] in 'aeio' else 'a'} {kind}"
        for name, kind in found.items()
    ]
    return f"in {part}, {first_names(values)}"


def _unloadable(heavy: dict[str, dict[str, str]], line: tuple[str, int]) -> Saw:
    parts = "; ".join(_named(found, part) for part, found in heavy.items())
    return Saw(
        f"A checkpoint does not load under `weights_only=True`, the default: {parts}.",
        "Save plain values: tensors, numbers, text, and lists or dicts of them.",
        *line,
    )


@question("3.2")
def hyperparameters_load(subject: Subject) -> Iterator[Saw]:
    """Ask whether the hyperparameters of a checkpoint load by default."""
    heavy = _heavy(subject)
    if found := heavy.get("hyper_parameters") or heavy.get("hparams_type"):
        place = place_of(type(subject.fitted.module), "__init__")
        yield _unloadable({"the hyperparameters": found}, place)


# What Lightning writes down of the hyperparameters, which are another question.
_SETTINGS = {
    f"{owner}{part}"
    for owner in ("", "datamodule_")
    for part in ("hyper_parameters", "hparams_name", "hparams_type")
}


# Which method hands over what Lightning writes down in other parts.
_WRITTEN_FOR = {
    "callbacks": "configure_callbacks",
    "lr_schedulers": "configure_optimizers",
    "optimizer_states": "configure_optimizers",
}


@question("9.3")
def own_state_loads(subject: Subject) -> Iterator[Saw]:
    """Ask whether what else the module saves loads by default."""
    parts = _heavy(subject).items()
    heavy = {part: found for part, found in parts if part not in _SETTINGS}
    if heavy:
        method = _WRITTEN_FOR.get(next(iter(heavy)), "on_save_checkpoint")
        place = place_of(type(subject.fitted.module), method)
        yield _unloadable({f"`{part}`": found for part, found in heavy.items()}, place)


@question("5.3", "note")
def resumes(subject: Subject) -> Iterator[Saw]:
    """Ask whether a run resumed in the middle of an epoch continues where it was."""
    if subject.make_data is None or not subject.rebuilds:
        raise CannotCheck(
            "it takes a LightningDataModule that can be built again, --data."
        )
    if any(_heavy(subject).values()):
        raise CannotCheck("its checkpoint does not load under `weights_only=True`.")
    make_data, count = subject.make_data, len(subject.train)
    if count < 3:
        raise CannotCheck("it takes three batches or more.")

    def build() -> tuple[L.LightningModule, L.LightningDataModule, list[L.Callback]]:
        with isolate_rng():
            scramble_global_rngs(0)  # data that are drawn when built are the same
            data = make_data()
        return subject.built(), data, []

    limits = {"limit_train_batches": count, "limit_val_batches": 1, "max_epochs": 1}
    options = {**files_elsewhere(), **limits}
    found = list(resumes_exactly(build, [Place("batch", 2)], **options))
    wrong = [each for each in found if each.ok is False and "samples" in each.asked]
    if wrong:
        place = place_of(type(subject.data), "train_dataloader")
        # Not how many come again: where samples are padded or augmented, the same one
        # has other bytes the next time.
        seen = wrong[0].seen.split(";")[0].rstrip(".")
        yield Saw(f"{seen}.", wrong[0].remedy, *place)
