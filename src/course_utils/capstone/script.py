"""The learner's script: copied for editing, loaded afresh, checked for its names."""

import importlib.util
import linecache
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from course_utils.checks.learner_code import LearnerError, learners_code
from course_utils.data.cache import write_atomically
from course_utils.data.locate import chosen_name

ORIGINAL = Path(__file__).with_name("train_digits.py")
FOLDER = "my_capstone"
REQUIRED = ("make_data", "make_model", "evaluate", "train")
PARTS = {
    "data": [("@dataclass", "class DigitModel")],
    "model": [("class DigitModel", "    def configure_optimizers")],
    "training": [
        ("    def configure_optimizers", "@torch.no_grad"),
        ("def train(", "if __name__"),
    ],
    "evaluation": [("@torch.no_grad", "if __name__")],
}


def put_copy(original: Path, folder: str | Path) -> Path:
    """Put a copy of a script into ``folder``, say so, and return its path.

    A copy that is there already stays as it is.
    """
    target = Path(folder) / original.name
    if not target.exists():
        # In one step: half a copy would stay, since a copy is never overwritten.
        write_atomically(target, original.read_bytes())
    print(f"Your copy is {target.as_posix()}. It is yours: it is never overwritten.")
    if target.read_text("utf-8") != original.read_text("utf-8"):
        print("It differs from the script that the course gave you.")
    return target


def copy_script(folder: str | Path = FOLDER) -> Path:
    """Put a copy of the script into ``folder`` and return its path."""
    target = put_copy(ORIGINAL, folder)
    if chosen_name() != "embedded":
        print("It trains on digits, whichever images the lessons use.")
    return target


def part(name: str) -> str:
    """Return the lines of the original script that one round is about.

    Args:
        name: ``"data"``, ``"model"``, ``"training"`` or ``"evaluation"``.

    Raises:
        ValueError: If there is no such round.
    """
    if name not in PARTS:
        raise ValueError(f"Expected a part out of {', '.join(PARTS)} but got {name!r}.")
    text = ORIGINAL.read_text("utf-8")
    pieces = [text[text.index(a) : text.index(b)].rstrip() for a, b in PARTS[name]]
    return "\n\n\n".join(pieces)


def source_of(path: Path) -> str:
    """Return the text of the learner's script.

    Raises:
        LearnerError: If it cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise LearnerError(
            f"Expected your script at {path.as_posix()} but could not read it; "
            "copy_script() puts a fresh copy there."
        ) from error


def load(path: str | Path) -> ModuleType:
    """Return the script at ``path`` as a new module, read from the file and run.

    It runs in this process, outside the import system: an import would return the
    module of the last run, and two scripts of one name would share it.

    Raises:
        LearnerError: If it is missing, is no Python, raises, or lacks a name.
    """
    path = Path(path)
    source = source_of(path)
    try:
        code = compile(source, str(path.absolute()), "exec")
    except SyntaxError as error:
        raise LearnerError(
            f"{path.name} is not valid Python yet: line {error.lineno}, {error.msg}."
        ) from error
    spec = ModuleSpec(f"learners_{path.stem}", loader=None, origin=str(path))
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path.absolute())
    sys.modules[spec.name] = module  # dataclasses look up their module there
    linecache.checkcache(module.__file__)  # tracebacks show the lines as saved now
    with learners_code(path.name):
        exec(code, module.__dict__)
    missing = [name for name in REQUIRED if not callable(getattr(module, name, None))]
    if missing:
        raise LearnerError(
            f"{path.name} has no {' and no '.join(missing)}; its first lines say "
            "which names the scoreboard needs."
        )
    return module
