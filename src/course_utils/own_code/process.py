"""The process in which somebody's code runs: one line of JSON per answer.

``python -m course_utils.own_code.process specification.json``
"""

import copy
import json
import linecache
import os
import re
import runpy
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

LONGEST = 240  # characters of a reason


class _Stop(BaseException):
    """The script has come to its first fit: there is all that is needed."""


def _from_names(spec: dict[str, Any]) -> Any:
    import lightning as L

    from course_utils.checks.learner_code import CannotCheck
    from course_utils.own_code.delivery import some
    from course_utils.own_code.subject import Subject, imported, maker

    name = f"{spec['module']}:{spec['attribute']}"
    make = maker(imported(name), spec["attribute"])
    subject = Subject(spec["name"], make, ())
    module = subject.new()
    if not isinstance(module, L.LightningModule):
        kind = type(module).__name__
        raise CannotCheck(f"{name} gives a {kind}, not a LightningModule.")
    if spec["data"]:
        make_data = maker(imported(spec["data"]), spec["data"])
        _add_data(subject, make_data(), make_data, spec["batches"])
    elif type(module).train_dataloader is not L.LightningModule.train_dataloader:
        subject.loader = _own_loader(module)
        subject.train = some(subject.loader, spec["batches"])
    return subject


def _own_loader(module: Any) -> Any:
    """Return the loader for training that a module makes by itself."""
    from course_utils.checks.learner_code import (
        CannotCheck,
        LearnerError,
        learners_code,
    )

    try:
        with learners_code("Preparing its own data"):
            module.prepare_data()
            module.setup("fit")
            return module.train_dataloader()
    except LearnerError as error:
        raise CannotCheck(f"name data with --data: {error}") from error


def _add_data(subject: Any, data: Any, make: Callable[[], Any], count: int) -> None:
    import lightning as L

    from course_utils.own_code.delivery import loaders_of, some, some_of_each

    if isinstance(data, L.LightningDataModule):
        subject.loader, val = loaders_of(data)
        subject.make_data, subject.data = make, data
        subject.val = some_of_each(val, count)
    else:
        subject.loader = data
    subject.train = some(subject.loader, count)


def _run_script(path: Path) -> None:
    from course_utils.own_code.source import read_source

    sys.argv = [str(path)]
    sys.path.insert(0, str(path.parent))
    if path.suffix == ".ipynb":
        code = compile(read_source(path).text, str(path), "exec")
        exec(code, {"__name__": "__main__", "display": print})
    else:
        runpy.run_path(str(path), run_name="__main__")


def _from_script(spec: dict[str, Any]) -> Any:
    """Run a script up to its first fit, and take module and data from there."""
    import lightning as L

    from course_utils.checks.learner_code import (
        CannotCheck,
        LearnerError,
        learners_code,
    )
    from course_utils.own_code.delivery import some, some_of_each
    from course_utils.own_code.subject import Subject

    taken: dict[str, Any] = {}

    def fit(
        trainer: L.Trainer,
        model: Any,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: Any = None,
        **_: Any,
    ) -> None:
        taken.update(model=model, train=train_dataloaders, val=val_dataloaders)
        if isinstance(train_dataloaders, L.LightningDataModule):
            datamodule, taken["train"] = train_dataloaders, None
        taken["data"] = datamodule
        raise _Stop

    real = L.Trainer.fit
    L.Trainer.fit = fit  # type: ignore[method-assign]
    try:
        with learners_code("The script"):
            _run_script(Path(spec["path"]))
    except _Stop:
        pass
    except LearnerError as error:
        raise CannotCheck(str(error)) from error
    finally:
        L.Trainer.fit = real  # type: ignore[method-assign]
    if not taken:
        raise CannotCheck(
            "it calls no `Trainer.fit`: name a module, package.module:Class."
        )
    model = taken["model"]
    subject = Subject(spec["name"], lambda: copy.deepcopy(model), (), rebuilds=False)
    if taken["data"] is not None:
        data = taken["data"]
        _add_data(subject, data, lambda: copy.deepcopy(data), spec["batches"])
        subject.make_data = None
    else:
        loader = taken["train"]
        if loader is None and hasattr(model, "train_dataloader"):
            loader = _own_loader(subject.equipped(model))
        subject.loader = loader
        subject.train = some(loader, spec["batches"])
        subject.val = some_of_each(taken["val"], spec["batches"])
    return subject


def _new_main(kinds: list[type]) -> None:
    """Let ``__main__`` hold what the kernel's did, so that its classes can be found."""
    main = types.ModuleType("__main__")
    for kind in (base for each in kinds for base in each.__mro__):
        if kind.__module__ == "__main__":
            for value in vars(kind).values():
                vars(main).update(getattr(value, "__globals__", {}))
            setattr(main, kind.__name__, kind)
    vars(main).pop("__file__", None)  # a notebook has none
    sys.modules["__main__"] = main


def _from_kernel(spec: dict[str, Any]) -> Any:
    """Take module and data that a notebook handed over, with the text of its cells."""
    import torch

    from course_utils.checks.learner_code import (
        CannotCheck,
        LearnerError,
        learners_code,
    )
    from course_utils.own_code.subject import Subject, maker

    try:
        with learners_code("Handing it over"):
            given = torch.load(spec["given"], map_location="cpu", weights_only=False)
    except LearnerError as error:
        raise CannotCheck(str(error)) from error
    for name, text in given["texts"].items():
        lines = text.splitlines(keepends=True)
        linecache.cache[name] = (len(text), None, lines, name)
    module, data = given["module"], given["data"]
    builds = isinstance(module, type)
    _new_main([module if builds else type(module)])
    subject = Subject(spec["name"], maker(module, "it"), (), rebuilds=builds)
    if not builds:
        module.to("cpu")
    if data is not None:
        make_data = maker(data, "the data")
        _add_data(subject, make_data(), make_data, spec["batches"])
    return subject


def _plain(text: str) -> str:
    """Return the first line of a text, without colours, and not too long."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", text).strip().splitlines()[0]
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rsplit(' ', 1)[0]} ..."


def _answers(
    subject: Any, practices: list[str], seconds: float
) -> Iterator[dict[str, Any]]:
    from course_utils.checks.learner_code import CannotCheck, LearnerError
    from course_utils.checks.time_limit import TimeLimitReached, time_limit
    from course_utils.own_code.questions import Saw
    from course_utils.own_code.registry import questions
    from course_utils.own_code.subject import FitStopped

    # What modules share, such as a default value, may stay on the pretended GPU: last.
    for each in sorted(questions(), key=lambda question: question.practice == "2.1"):
        if each.practice not in practices:
            continue
        yield {"asking": each.practice}
        try:
            with time_limit(seconds):
                seen: list[Saw] = list(each.put(subject))
        except CannotCheck as error:
            stopped = isinstance(error, FitStopped)
            reason = _plain(str(error))
            yield {"unasked": each.practice, "reason": reason, "stopped": stopped}
        except TimeLimitReached:
            reason = f"it was not answered within {seconds:.0f} seconds."
            yield {"unasked": each.practice, "reason": reason}
        except LearnerError as error:
            reason = _plain(f"the code stopped: {error}")
            yield {"unasked": each.practice, "reason": reason}
        except Exception as error:  # a fault of the question is no finding
            reason = f"the question itself failed: {type(error).__name__}: {error}"
            yield {"unasked": each.practice, "reason": _plain(reason)}
        else:
            for saw in seen:
                severity = saw.severity or each.severity
                yield {**asdict(saw), "practice": each.practice, "severity": severity}
            if not seen:
                yield {"kept": each.practice}


def main(specification: Path) -> None:
    """Ask the questions of a specification, and write the answers beside it."""
    spec = json.loads(specification.read_text("utf-8"))
    folder = specification.parent
    sys.path[:] = spec.get("sys_path", [os.getcwd(), *sys.path])
    from course_utils.own_code.sandbox import (
        one_lightning,
        refuse_writes,
        trainers_leave_benchmark_mode,
    )

    one_lightning()
    trainers_leave_benchmark_mode()
    from course_utils.checks.learner_code import CannotCheck, LearnerError
    from course_utils.own_code.registry import questions

    questions()  # imported before writes are refused
    refuse_writes(folder)
    with (folder / "answers.jsonl").open("w", encoding="utf-8", buffering=1) as out:

        def say(answer: dict[str, Any]) -> None:
            out.write(json.dumps(answer) + "\n")

        try:
            from course_utils.own_code.subject import place_of

            make = _from_names if spec["attribute"] else _from_script
            subject = (_from_kernel if spec.get("given") else make)(spec)
            file, line = place_of(type(subject.new()))
            say({"subject": subject.name, "file": file, "line": line})
            for answer in _answers(subject, spec["practices"], spec["seconds"]):
                say(answer)
        except (CannotCheck, LearnerError) as error:
            say({"unasked": "", "reason": _plain(str(error)), "stopped": True})
        say({"done": True})


if __name__ == "__main__":
    status = 1
    try:
        main(Path(sys.argv[1]))
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)  # threads that somebody's code has left need not be waited for
