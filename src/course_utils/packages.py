"""The packages that lessons need: what is missing is fetched, what is there stays.

A notebook opened alone brings the helpers by themselves. Colab, Kaggle and their like
pin torch and what their kernels run on, so nothing that is installed is replaced.
"""

import ast
import importlib.util
import site
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from course_utils import shipped_records

PACKAGE = "lightning-course-utils"
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
# Missing, these alone are no reason to install anything: no lesson imports them.
_COMMANDS_ONLY = {"rich", "typer"}
# Those whose versions decide what a lesson measures.
MEASURED = ("torch", "torchvision", "lightning", "torchmetrics")


class PackagesError(RuntimeError):
    """What a lesson needs cannot be had; a notebook shows the sentence alone."""

    def _render_traceback_(self) -> list[str]:  # read by IPython
        return [str(self)]


def required() -> list[str]:
    """Return what the helpers require, without extras, one per line."""
    try:
        lines = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:  # used from a clone, uninstalled
        if not PROJECT.is_file():
            return []
        listed = PROJECT.read_text("utf-8").partition("\ndependencies = ")[2]
        # Python 3.10 has no tomllib; TOML's list of strings is one of Python too.
        lines = ast.literal_eval(listed.partition("\n]")[0] + "]")
    return [line for line in lines if "extra ==" not in line]


def _is_recorded(name: str) -> bool:
    return any(metadata.distributions(name=name))


def _is_here(name: str) -> bool:
    # Each package is imported by its own name; some vendors' builds keep no record.
    return _is_recorded(name) or importlib.util.find_spec(name) is not None


def missing() -> dict[str, str]:
    """Return the requirements of which no version is installed, by package."""
    from packaging.requirements import Requirement  # every kernel has it

    needed = map(Requirement, required())
    here = [r for r in needed if r.marker is None or r.marker.evaluate()]
    return {r.name: f"{r.name}{r.specifier}" for r in here if not _is_here(r.name)}


def installed() -> list[str]:
    """Return everything that is installed as constraints, ``name==version``."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    for each in metadata.distributions():
        name, version = map(each.metadata.get, ("Name", "Version"))
        line = f"{name}=={version}"
        try:  # the first on the path is the one that Python imports
            found.setdefault(canonicalize_name(Requirement(line).name), line)
        except InvalidRequirement:  # neither could pip read it
            continue
    return [found[name] for name in sorted(found)]


def _reason(said: str) -> str:
    """Return the first error that pip reports; the later ones follow from it."""
    lines = [*said.strip().splitlines(), "no reason given"]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines)[0].removeprefix("ERROR:").strip(" .")


def install(requirements: list[str]) -> None:
    """Install packages into this Python with pip; what is installed stays as it is.

    Raises:
        PackagesError: If pip refuses, with its reason.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input"]
    with tempfile.TemporaryDirectory(prefix="course-pip-") as folder:
        fixed = Path(folder, "constraints.txt")
        fixed.write_text("\n".join(installed()), "utf-8")
        done = subprocess.run(
            [*pip, "--constraint", str(fixed), *requirements],
            capture_output=True,
            text=True,
        )
    if site.ENABLE_USER_SITE:  # made just now, perhaps, since this Python is read-only
        site.addsitedir(site.getusersitepackages())
    importlib.invalidate_caches()
    if done.returncode:
        raise PackagesError(
            f"Expected pip to install {', '.join(requirements)} beside what is there, "
            f"but it refused ({_reason(done.stderr)}). Without a network (on Kaggle, "
            "switch it on in the settings), or if packages conflict, run the lesson in "
            "a clone of the course, after `make lab`."
        )


def fetch_missing() -> None:
    """Install what lessons need and this Python lacks, and say so.

    Raises:
        PackagesError: If torch is missing, or pip refuses.
    """
    lacking = missing()
    if not lacking.keys() - _COMMANDS_ONLY:
        return
    # Gigabytes, in a build that only the user can choose. Without a record of it, pip
    # would bring another.
    if not _is_recorded("torch"):
        raise PackagesError(
            f"Expected torch in the Python of this kernel, {sys.executable}, but found "
            f"none that pip knows, and {', '.join(lacking)} missing. Choose a kernel "
            "that has torch (in a clone of the course, `make lab` makes one), or "
            "install it and run this cell again."
        )
    print(f"Fetching {', '.join(lacking)}. What is installed stays as it is.")
    install(list(lacking.values()))


def unmeasured() -> str:
    """Return a sentence on versions outside those that were measured, or ``""``."""
    from packaging.version import Version

    record = shipped_records.read("versions.json")
    tested = [record.get(each, {}).get("versions", {}) for each in ("lowest", "pinned")]
    found = []
    for name in MEASURED:
        ends = [Version(each[name]) for each in tested if name in each]
        if len(ends) < 2 or not _is_recorded(name):
            continue
        version = Version(Version(metadata.version(name)).public)  # without "+cu128"
        if not min(ends) <= version <= max(ends):
            found.append(f"{name} {version} (measured: {min(ends)} to {max(ends)})")
    if not found:
        return ""
    listed = "; ".join(found)
    return f"Other versions than those measured, so numbers may differ: {listed}."
