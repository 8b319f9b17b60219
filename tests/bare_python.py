"""A Python that has only pip, and packages of which only the metadata exists.

pip resolves and installs with them as with real ones, in a second and without network.
"""

import json
import os
import subprocess
import venv
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SRC = Path(__file__).parents[1] / "src"


def make(folder: Path) -> Path:
    """Make the Python in ``folder`` and return its executable."""
    venv.create(folder, symlinks=os.name == "posix")
    python = folder / ("bin/python" if os.name == "posix" else "Scripts/python.exe")
    for name in ("pip", "packaging"):  # the latter comes with every kernel
        place = Path(find_spec(name).submodule_search_locations[0])
        (site_packages(folder) / name).symlink_to(place, target_is_directory=True)
    return python


def site_packages(folder: Path) -> Path:
    """Return where the Python in ``folder`` installs packages."""
    return min(folder.glob("[Ll]ib*/**/site-packages"))  # not lib64, a link


def _metadata(name: str, version: str, requires: list[str]) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {each}" for each in requires), ""])


def install_metadata(site: Path, pins: list[str]) -> None:
    """Let pip believe that each ``name==version`` is installed."""
    for pin in pins:
        name, version = pin.split("==")
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(_metadata(name, version, []), "utf-8")
        (info / "INSTALLER").write_text("pip\n", "utf-8")


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    requires: list[str],
    files: dict[str, str] | None = None,
) -> Path:
    """Write a wheel into ``folder``, with ``files`` by path, and return it."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    info = {
        "METADATA": _metadata(name, version, requires),
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in (files or {}).items():
            wheel.writestr(file, text)
        for file, text in info.items():
            wheel.writestr(f"{stem}.dist-info/{file}", text)
    return path


def write_index(folder: Path, names: list[str]) -> None:
    """Offer what is installed here of ``names``, and all that they require."""
    left, seen = [*names], set()
    while left:
        name = canonicalize_name(left.pop())
        if name in seen or not any(metadata.distributions(name=name)):
            continue
        seen.add(name)
        lines = metadata.requires(name) or []
        needs = [r for r in map(Requirement, lines) if "extra" not in str(r.marker)]
        write_wheel(folder, name, metadata.version(name), list(map(str, needs)))
        left += [r.name for r in needs]


def run(python: Path, *args: str, cwd: Path, **variables: str):
    """Run ``python`` without a network, a configuration of pip or a user's packages."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
    quiet = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PYTHONNOUSERSITE": ""}
    return subprocess.run(
        [python, *args],
        cwd=cwd,
        env=kept | quiet | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=100,
    )


def reported(report: Path) -> dict[str, str]:
    """Return what pip would install, as its report says: version by name."""
    listed = json.loads(report.read_text("utf-8"))["install"] if report.exists() else []
    found = [each["metadata"] for each in listed]
    return {canonicalize_name(each["name"]): each["version"] for each in found}
