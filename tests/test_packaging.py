"""The project installs the same way from every file that lists its packages."""

import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# conda-forge's names for the same packages
CONDA = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


def required(*groups):
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for g in groups for line in extras[g])]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def conda_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    lines = [d for d in environment["dependencies"] if isinstance(d, str)]
    requirements = [Requirement(re.sub(r"(?<![<>=])=(?!=)", "==", d)) for d in lines]
    return {CONDA.get(r.name, r.name): r for r in requirements}


def pins():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    requirements = [Requirement(each) for each in lines if not each.startswith("#")]
    return {canonicalize_name(r.name): r for r in requirements}


def test_conda_installs_what_pip_installs_with_the_extra_lab():
    wanted = {
        name: r
        for name, r in required("lab").items()
        if r.marker is None or r.marker.evaluate({"python_version": "3.11"})
    }
    listed = conda_packages()
    assert listed.keys() - {"python", "pip"} == wanted.keys()
    assert {n: str(listed[n].specifier) for n in wanted} == {
        n: str(r.specifier) for n, r in wanted.items()
    }


def test_conda_installs_the_package_from_the_checkout():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    [pip] = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == ["-e ."]


@pytest.mark.parametrize("name", required("lab", "dev"))
def test_every_package_is_pinned_within_its_range(name):
    requirement = required("lab", "dev")[name]
    if requirement.marker is not None and not requirement.marker.evaluate():
        pytest.skip("not needed on this Python")
    [pin] = pins()[name].specifier
    assert pin.operator == "=="
    assert requirement.specifier.contains(pin.version)


def test_pins_that_python_3_10_cannot_have_are_marked():
    numpy = pins()["numpy"]
    assert numpy.marker == Marker('python_version >= "3.11"')


def test_readme_names_the_lowest_python():
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Python {lowest} or newer" in (ROOT / "README.md").read_text("utf-8")


def test_ci_runs_the_test_command_of_the_readme():
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert "\nmake test\n" in (ROOT / "README.md").read_text("utf-8")
