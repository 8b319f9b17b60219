"""What a project asks of ``course check``: ``[tool.course]`` in ``pyproject.toml``."""

import difflib
import fnmatch
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from course_utils import syllabus
from course_utils.own_code.report import IMPORTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Settings:
    """How to check a project.

    Attributes:
        select: Patterns of practices to look for, ``("4.*",)``; empty: all.
        ignore: Patterns of practices to leave out.
        exclude: Patterns of files to leave out, as paths from the project's folder.
        data: Where the data come from, as ``package.module:Name``.
        batches: How many batches to run on.
        seconds: After which the run is stopped.
        megabytes: Memory of the run, and size of its files, in 2^20 bytes, above which
            it is stopped.
        module: What every run of pytest asks, as ``package.module:Class``; empty: none.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    data: str = ""
    batches: int = 4
    seconds: float = 120.0
    megabytes: float = 8192.0
    module: str = ""

    @property
    def wanted(self) -> Callable[[str], bool]:
        """Whether to look for a practice."""
        return lambda practice: (
            (not self.select or matches(practice, self.select))
            and not matches(practice, self.ignore)
        )

    def narrowed(
        self,
        select: str | Iterable[str],
        ignore: str | Iterable[str],
        names: tuple[str, str] = ("select", "ignore"),
    ) -> "Settings":
        """Return the same for fewer practices.

        Args:
            select: Patterns that replace those selected so far; empty: none do.
            ignore: Patterns to leave out as well.
            names: What the two are called in messages.

        Raises:
            ValueError: If one of them means no practice.
        """
        chosen = patterns_in(select, names[0]) or self.select
        left_out = (*self.ignore, *patterns_in(ignore, names[1]))
        return replace(self, select=chosen, ignore=left_out)

    def excludes(self, name: str) -> bool:
        """Return whether a file is left out."""
        return any(fnmatch.fnmatch(name, pattern) for pattern in self.exclude)


def matches(practice: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns means this practice; ``"12"`` is ``"12.*"``.

    Example:
        >>> matches("12.1", ["12"]), matches("1.2", ["12.*"])
        (True, False)
    """
    return any(
        fnmatch.fnmatch(practice, pattern) or practice.startswith(f"{pattern}.")
        for pattern in patterns
    )


def patterns_in(text: str | Iterable[str], where: str) -> tuple[str, ...]:
    """Return the patterns of ``"4.3,12.*"``.

    Args:
        text: Patterns with commas between them, or a list.
        where: What they were given for, for messages.

    Raises:
        ValueError: If one of them means no practice.
    """
    parts = text.split(",") if isinstance(text, str) else list(text)
    known = [p.id for lesson in syllabus.load().lessons for p in lesson.practices]
    found = tuple(part.strip() for part in parts if part.strip())
    for pattern in found:
        if not any(matches(practice, [pattern]) for practice in (*known, IMPORTS)):
            raise ValueError(
                f"Expected {where} to name practices such as 4.3 or 12.* but got "
                f"{pattern!r}, which names none."
            )
    return found


def _value(name: str, value: Any) -> Any:
    if name in ("select", "ignore"):
        return patterns_in(value, f"{name} in [tool.course]")
    if name == "exclude":
        return tuple([value] if isinstance(value, str) else value)
    return value


def from_table(table: Mapping[str, Any]) -> Settings:
    """Return the settings of a table of ``pyproject.toml``.

    Raises:
        ValueError: If a key or a value is not one that there is.
    """
    kinds = {each.name: type(each.default) for each in fields(Settings)}
    for name, value in table.items():
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise ValueError(
                f"Expected [tool.course] to hold {', '.join(kinds)} but got "
                f"{name}.{hint}"
            )
        allowed = {tuple: (list, str), float: (int, float)}.get(
            kinds[name], kinds[name]
        )
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise ValueError(
                f"Expected {name} in [tool.course] to be a "
                f"{'list' if kinds[name] is tuple else kinds[name].__name__} but got "
                f"{value!r}."
            )
    return replace(Settings(), **{n: _value(n, v) for n, v in table.items()})


def load_settings(folder: Path) -> Settings:
    """Return the settings of the nearest ``pyproject.toml`` that has some.

    Args:
        folder: Where to begin; its parents follow.

    Raises:
        ValueError: If it cannot be read, or has a key or value that there is not.
    """
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{file} cannot be read: {error}.") from error
        if table := content.get("tool", {}).get("course"):
            return from_table(table)
    return Settings()
