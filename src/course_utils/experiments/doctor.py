"""Is this machine ready for the course? What was seen of it, and what to do."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from course_utils import environment, settings
from course_utils.data.cache import DataError
from course_utils.data.locate import chosen_name, learner_folder, locate, open_dataset
from course_utils.data.sources import SOURCES
from course_utils.experiments import machine
from course_utils.experiments.machine import Observation


def data() -> Observation:
    """Open the data set that a lesson would use."""
    try:
        name = chosen_name()
        root = locate(name)
        if name != "embedded":  # whose every byte `locate` has compared
            for train in (True, False):
                open_dataset(name, train=train, root=root)
    except (DataError, ValueError) as error:
        return Observation("data", "cannot be used", str(error).rstrip("."), True)
    return Observation("data", f"{SOURCES[name].title}, complete, in {root}")


def temporary_files() -> Observation:
    """Look at the folder for temporary files, and at the room in it for sockets."""
    part = "temporary files"
    try:
        used = tempfile.gettempdir()
    except OSError:
        remedy = "Make room, or set TMPDIR to a folder with room"
        return Observation(part, "no folder can be written", remedy, blocks=True)
    asked = os.environ.get("TMPDIR")
    if asked and os.path.abspath(asked) != used:
        seen = f"in {used}, since TMPDIR={asked} cannot be written"
        return Observation(part, seen, "Unset TMPDIR, or correct it")
    if sentence := environment.use_short_sockets():
        return Observation(part, f"in {used}", sentence.rstrip("."))
    return Observation(part, f"in {used}")


def launchers() -> Observation:
    """List the variables that the course ignores."""
    names = environment.in_short(environment.foreign(os.environ))
    return Observation("variables that lessons ignore", names or "none")


def _wrong_settings() -> Iterator[str]:
    for read in (
        settings.seed,
        settings.all_images,
        settings.cpu_only,
        settings.kernel,
        learner_folder,
    ):
        try:
            read()
        except ValueError as error:
            yield str(error).rstrip(".")


def course_settings() -> Iterator[Observation]:
    """List the course's variables that are set, and those with a wrong value."""
    wrong = list(_wrong_settings())
    for sentence in wrong:
        yield Observation("settings", "one is wrong", sentence, blocks=True)
    names = sorted(name for name in os.environ if name.startswith("COURSE_"))
    seen = ", ".join(f"{name}={os.environ[name]}" for name in names)
    if not wrong:
        yield Observation("settings", seen or "all as they come")


def _plotting() -> Iterator[str]:
    import matplotlib  # late: it cannot be imported with a wrong MPLBACKEND

    file = Path(matplotlib.matplotlib_fname())
    if not file.is_relative_to(matplotlib.get_data_path()):
        yield f"{file}, which the course's figures do not follow"


def own_settings() -> Observation:
    """List what the user has changed of Python, IPython and Matplotlib."""
    part = "your own settings"
    if sys.flags.optimize:
        remedy = "Unset PYTHONOPTIMIZE: lessons need assertions and docstrings"
        return Observation(part, f"Python's optimization {sys.flags.optimize}", remedy)
    if said := environment.drop_unknown_backend():
        return Observation(part, said.rstrip("."), "Unset MPLBACKEND, or correct it")
    profile = Path(os.environ.get("IPYTHONDIR", "~/.ipython"), "profile_default")
    profile = profile.expanduser()
    found = [*profile.glob("ipython*_config.py"), *profile.glob("startup/*.*py")]
    seen = [*_plotting(), *(f"{each}, which your notebooks follow" for each in found)]
    return Observation(part, "; ".join(seen) or "none that matter here")


# In the order of a report.
PARTS: tuple[Callable[[], Observation | Iterator[Observation]], ...] = (
    *(machine.python, machine.packages, machine.cores, machine.memory),
    *(machine.disk, machine.gpu, data, temporary_files),
    *(launchers, course_settings, own_settings),
)


def observe() -> Iterator[Observation]:
    """Yield what is seen of every part, in order."""
    for part in PARTS:
        found = part()
        yield from [found] if isinstance(found, Observation) else found


def doctor() -> None:
    """Print what is not ready for the course on this machine, and what to do."""
    lines = [f"Look at {each}" for each in observe() if not each.ok]
    print("\n".join(lines) or "This machine is ready for the course.")
