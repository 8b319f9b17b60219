"""The data sets by name, and the torchvision class that reads each."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """One data set.

    Attributes:
        title: Its name in a sentence.
        reader: Name of the class in ``torchvision.datasets`` that reads it.
        warning: A sentence to read before a download, or ``""``.
    """

    title: str
    reader: str
    warning: str = ""

    def torchvision_class(self) -> Any:
        """Return the class; torchvision is imported here because that is slow."""
        import torchvision.datasets

        return getattr(torchvision.datasets, self.reader)

    def files(self) -> list[str]:
        """Return the paths, below a root, of the files that the class reads."""
        reader = self.torchvision_class()
        if hasattr(reader, "resources"):
            files = [Path(file).stem for file, _ in reader.resources]
            return [f"{reader.__name__}/raw/{file}" for file in files]
        lists = [*reader.train_list, *reader.test_list, [reader.meta["filename"]]]
        return [f"{reader.base_folder}/{file}" for file, *_ in lists]


SOURCES = {
    "embedded": Source("MNIST digits shipped with the course", "MNIST"),
    "mnist": Source("MNIST", "MNIST"),
    "fashion-mnist": Source("Fashion-MNIST", "FashionMNIST"),
    "cifar10": Source(
        "CIFAR-10",
        "CIFAR10",
        "The server of CIFAR-10 has been throttled since June 2026: expect this "
        "download to take about an hour.",
    ),
}


def validate_name(name: str, argument: str = "name") -> str:
    """Return ``name`` as `SOURCES` spells it.

    Args:
        name: In upper or lower case.
        argument: Where the name comes from, for the error.

    Raises:
        TypeError: If it is no string.
        ValueError: If there is no such data set; the nearest name is suggested.

    Example:
        >>> validate_name("minst", "COURSE_DATA")
        Traceback (most recent call last):
        ValueError: Expected COURSE_DATA to be one of 'embedded', 'mnist', \
'fashion-mnist', 'cifar10' but got 'minst'. Did you mean 'mnist'?
    """
    if not isinstance(name, str):
        raise TypeError(f"Expected {argument} to be a string but got {name!r}.")
    wanted = name.strip().lower()
    if wanted in SOURCES:
        return wanted
    near = difflib.get_close_matches(wanted.replace("_", "-"), SOURCES, n=1)
    raise ValueError(
        f"Expected {argument} to be one of {', '.join(map(repr, SOURCES))} "
        f"but got {name!r}." + "".join(f" Did you mean {best!r}?" for best in near)
    )
