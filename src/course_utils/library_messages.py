"""What Lightning and PyTorch say while code runs: their warnings, in a stable text.

A lesson's kernel mutes the warnings of both libraries. `collect_messages` listens all
the same and gets them in a form that is equal on every machine.
"""

import json
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

# Deprecations are not among them: in strict mode they stay errors.
_COLLECTED = (UserWarning, RuntimeWarning)
_SPEAKERS = {
    **dict.fromkeys(("lightning", "lightning_fabric"), "Lightning"),
    **dict.fromkeys(("lightning_utilities", "pytorch_lightning"), "Lightning"),
    "torchmetrics": "TorchMetrics",
    **dict.fromkeys(("torch", "torchvision"), "PyTorch"),
    "__main__": "Python",
}
_WAYS_TO_WARN = {"warn", "warn_explicit", "warnings"}
# What does not depend on the code that is compared. Matched at the start of a message.
_NOISE = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        # The number of CPU cores.
        r"The '\w+' does not have many workers",
        r"This DataLoader will create \d+ worker processes",
        # How the system starts the workers of a data loader.
        r"Consider setting `persistent_workers=True`",
        # Which accelerator there is, and its driver.
        r"\w+ available but not used",
        r"'pin_memory' argument is set as true but no accelerator is found",
        r"User provided device_type of",
        r".*torch\.set_float32_matmul_precision",
        r"CUDA initialization|Can't initialize NVML|Could not initialize NNPACK",
        # A cluster's launcher, or packages that somebody else installed.
        r"The `srun` command is available",
        r"Starting from v1\.9\.0, `tensorboardX` has been removed",
        r"pkg_resources is deprecated",
        # What an earlier run left on the disk.
        r"Checkpoint directory .* exists and is not empty",
        r"Experiment logs directory .* exists and is not empty",
        r"Missing logger folder",
        # The course's data module always has validation images, used or not.
        r"You (passed in|defined) an? `(val_dataloader|validation_step)` but have no",
    )
)
_ENTRY = r"(?:~|[A-Za-z]:)?[/\\](?=\S)"  # how an absolute path starts
_SUBSTITUTES = tuple(
    (re.compile(pattern, re.DOTALL), substitute)
    for pattern, substitute in (
        (r"\(Triggered internally at .*", ""),  # a line of a C++ file
        (r"Traceback of forward call .*", ""),  # files and lines of the caller
        # A path becomes its last part: in quotes it may contain blanks.
        (rf"(['\"`]){_ENTRY}[^'\"`]*?([^'\"`/\\]*)[/\\]*\1", r"\1\2\1"),
        (rf"(?<![\w/:.\\<]){_ENTRY}(?:[^\s'\"`,;:/\\]+[/\\]+)*", ""),
        # The random part of a temporary folder's name.
        (r"\b(tmp|course-\w+?)-?[a-z0-9_]{8}\b", r"\1"),
        (r"( object)? at 0x[0-9a-fA-F]+", ""),
    )
)
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.) +(?=[^a-z])")
_TWO_SENTENCES = 200  # letters; if two sentences have more, the first is enough
_LONGEST = 300


@dataclass(frozen=True)
class Message:
    """One warning.

    Attributes:
        speaker: ``"Lightning"``, ``"PyTorch"``, ``"TorchMetrics"``, the name of
            another package, or ``"Python"``.
        text: Its first or its first two sentences, without what differs from machine
            to machine.
        processes: Ranks of the processes that said it, ``()`` if it was this process
            or rank 0, which by design speaks for all in Lightning.
    """

    speaker: str
    text: str
    processes: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return the sentence that a notebook shows."""
        said = f'{self.speaker} says: "{self.text}"'
        if not self.processes:
            return said
        name = "process" if len(self.processes) == 1 else "processes"
        return f"{said} ({name} {', '.join(map(str, self.processes))})"


class Messages(list[Message]):
    """Distinct messages in the order in which they came."""

    def __init__(self, file: Path | None = None) -> None:
        """Start without a message.

        Args:
            file: Gets each message as soon as it comes, so that another process can
                read those of a process that was killed.
        """
        super().__init__()
        self._file, self._process = file, os.getpid()
        self._seen: dict[str | tuple[str, str], object] = {}

    def add(self, message: Message) -> None:
        """Append a message if it is new."""
        if self._is_new((message.speaker, message.text)):
            self.append(message)
            if self._file:
                # A full disk is reported by the code that writes the outcome.
                with suppress(OSError), self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(message)) + "\n")

    def listen(
        self, raw: str, category: type[Warning], caller: FrameType | None
    ) -> None:
        """Add a warning, unless it is known, noise, or of a process forked from here.

        A forked process (a data loader worker) has a copy of this list, which is lost;
        on macOS and Windows it would not even have that.
        """
        if os.getpid() != self._process or not self._is_new(raw):
            return
        if not any(noise.match(raw) for noise in _NOISE):
            self.add(Message(_speaker(category, caller), _stable(raw)))

    def _is_new(self, key: str | tuple[str, str]) -> bool:
        # One atomic step, as threads may warn at once. A lock could stay locked: the
        # garbage collector can run code that warns in the middle of this.
        token = object()
        return self._seen.setdefault(key, token) is token


_active: Messages | None = None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _speaker(category: type[Warning], caller: FrameType | None) -> str:
    """Return who warned, found from the frames: those of Python come first.

    The file to which a warning is attributed would not do: `rank_zero_warn` and
    others attribute theirs to the code that called them.
    """
    while caller and _package(caller) in ("warnings", "_py_warnings"):
        caller = caller.f_back
    if caller is None:
        return "Python"
    calls_it = _WAYS_TO_WARN & {*caller.f_code.co_names, *caller.f_code.co_varnames}
    if issubclass(category, UserWarning) and not calls_it:
        return "PyTorch"  # C++, which has no frame: this one only called a function
    while _package(caller) == "lightning_utilities" and caller.f_back:
        caller = caller.f_back  # passes on what others say
    return _SPEAKERS.get(_package(caller), _package(caller))


def _stable(raw: str) -> str:
    for pattern, substitute in _SUBSTITUTES:
        raw = pattern.sub(substitute, raw)
    text = " ".join(raw.split())
    first, *rest = _SENTENCE_END.split(text)
    two = " ".join([first, *rest[:1]])
    text = two if len(two) <= _TWO_SENTENCES else first
    return textwrap.shorten(text, _LONGEST, placeholder=" …")


def _forget_what_was_said() -> None:
    """Empty Lightning's caches of what it said once in this process."""
    utilities: Any = sys.modules.get("lightning_utilities.core.rank_zero")
    if utilities is None:
        return
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        if names.get("WarningCache") is not utilities.WarningCache:
            continue
        values = list(names.values())
        for each in values[:]:  # `Closure` has its cache as an attribute of the class
            if isinstance(each, type) and each.__module__ == module.__name__:
                values += vars(each).values()
        for value in values:
            if isinstance(value, utilities.WarningCache):
                value.clear()


@contextmanager
def _torch_repeats_itself() -> Iterator[None]:
    """Make warnings that torch gives once per process come in every block."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        yield
    finally:
        torch.set_warn_always(before)


def is_collecting() -> bool:
    """Return whether a block of `collect_messages` is running."""
    return _active is not None


@contextmanager
def collect_messages(file: Path | None = None) -> Iterator[Messages]:
    """Collect the warnings of a block, muted ones too, in place of showing them.

    Collected are ``UserWarning``, ``RuntimeWarning`` and their subclasses; others are
    treated as before. A filter that the block itself adds takes precedence, and so
    does its own ``catch_warnings(record=True)``. Blocks may be nested: the inner one
    gets the message. Data loader workers are not heard.

    Args:
        file: Gets a line of JSON per message, for `add_from_processes`.

    Yields:
        The messages, which the block fills.
    """
    global _active
    messages, outer = Messages(file), _active
    # The filters are copied and the copy is dropped afterwards: whatever the block
    # does to it, the list of before comes back.
    with warnings.catch_warnings(), _torch_repeats_itself():
        shown_before: Callable[..., None] = warnings.showwarning

        def show(message: Any, category: Any, *where: Any, **more: Any) -> None:
            if issubclass(category, _COLLECTED):
                messages.listen(str(message), category, sys._getframe(1))
            else:
                shown_before(message, category, *where, **more)

        for category in _COLLECTED:
            warnings.simplefilter("always", category)
        _forget_what_was_said()
        warnings.showwarning = show
        _active = messages
        try:
            yield messages
        finally:
            _active = outer
            warnings.showwarning = shown_before


def add_from_processes(files: Iterable[Path]) -> None:
    """Add what processes wrote to ``files``, one file per rank, to the running block.

    What several processes say is added once.
    """
    if _active is None:
        return
    said: dict[tuple[str, str], list[int]] = {}
    for rank, file in enumerate(files):
        for line in file.read_text("utf-8").splitlines() if file.exists() else ():
            with suppress(ValueError):  # a process was killed in the middle of a line
                message = json.loads(line)
                said.setdefault((message["speaker"], message["text"]), []).append(rank)
    for (speaker, text), ranks in said.items():
        _active.add(Message(speaker, text, () if 0 in ranks else tuple(ranks)))
