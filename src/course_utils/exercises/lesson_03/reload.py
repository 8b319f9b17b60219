"""Does a module come back from its checkpoint as it was?"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from course_utils.checks.finding import Finding
from course_utils.exercises.lesson_03.reload_run import ModuleClass, Reload, reload


def _differ(given: Any, kept: Any) -> bool:
    """Return whether two plain values of the same kind differ."""
    kinds = (bool, int | float, str)
    alike = any(isinstance(given, k) and isinstance(kept, k) for k in kinds)
    return alike and kept != given


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _plainer(found: Reload) -> str:
    if all(name in found.saved for name in found.heavy):
        return "Save a plain value in its place, or leave it out with ignore=[...]."
    return "Use a plain value in its place, such as float(lr)."


def _loading(found: Reload) -> Finding:
    asked = "loading the checkpoint"
    unloadable = found.error is None or isinstance(found.error, pickle.PickleError)
    if found.heavy and unloadable:
        values = _and([f"{name} is a {kind}" for name, kind in found.heavy.items()])
        seen = f"The checkpoint does not load by default: {values}."
        return Finding(seen, False, _plainer(found), asked=asked)
    if found.error is None:
        return Finding("The checkpoint loads.", True, asked=asked)
    text = " ".join(str(found.error).split()).rstrip(".")
    text = text if len(text) <= 160 else f"{text[:160].rsplit(' ', 1)[0]} …"
    seen = f"Loading raised {type(found.error).__name__}: {text}."
    remedy = "Save every argument that __init__ needs, with the value it was given."
    return Finding(seen, False, remedy, asked=asked)


def _hyperparameters(found: Reload, settings: Mapping[str, Any]) -> Finding:
    asked = "the hyperparameters in the file"
    for name, given in settings.items():
        kept = found.saved.get(name, given)
        if _differ(given, kept):
            seen = f"You gave {name}={given!r}, the file holds {name}={kept!r}."
            remedy = "The file has to hold the value that __init__ was given."
            return Finding(seen, False, remedy, asked=asked)
    return Finding("They are what __init__ was given.", True, asked=asked)


def _missing(found: Reload, expected: Sequence[str]) -> str:
    missing = [name for name in expected if name not in found.saved]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        return f"{_and(missing)} {verb} not in the file; save the hyperparameters."
    return (
        "All arguments are in the file, so something else did not come back, or an "
        "argument is there with another value."
    )


def _optimizers(found: Reload, remedy: str) -> Finding:
    asked = "the optimizer's settings"
    before, after = found.groups
    for old, new in zip(before, after, strict=False):
        for name in old:
            if old[name] != new.get(name):
                seen = f"Before, the optimizer had {name}={old[name]}, "
                seen += f"after loading {name}={new.get(name)}."
                return Finding(seen, False, remedy, asked=asked)
    same = len(before) == len(after)
    seen = "They are the same." if same else "The parameter groups differ in number."
    return Finding(seen, same, remedy, asked=asked)


def survives_reload(
    module_class: ModuleClass,
    settings: Mapping[str, Any],
    batches: Sequence[Any],
    again: Sequence[str] = (),
    between: Mapping[str, Any] | None = None,
) -> Iterator[Finding]:
    """Check whether a module comes back from its checkpoint as it was.

    It is trained with ``settings``, saved, and loaded with ``load_from_checkpoint``.
    Then outputs and optimizer settings are compared, and both are trained once more,
    which shows what evaluation hides, say a lost dropout. See `reload` for arguments.

    Yields:
        Five findings, or one if the checkpoint does not load.
    """
    found = reload(module_class, settings, batches, again, between)
    loading = _loading(found)
    yield loading
    if not loading.ok:
        return
    yield _hyperparameters(found, settings)
    lost = _missing(found, [name for name in settings if name not in again])
    seen = "are the same, to the last bit" if found.same_outputs else "differ"
    seen = f"Before and after, the outputs for the same inputs {seen}."
    yield Finding(seen, found.same_outputs, lost, asked="the outputs")
    yield _optimizers(found, lost)
    same = found.same_training
    seen = "end with the same bits" if same else "do not end with the same weights"
    seen = f"Trained once more from the same seed, the two {seen}."
    yield Finding(seen, same, lost, asked="further training")
