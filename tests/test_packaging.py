"""The project installs the same way from every file that lists its packages."""

import re

import pytest
import requirements
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from requirements import PROJECT, ROOT, pins, required

EVERYTHING = required(*requirements.EXTRAS)
# conda-forge's names for the same packages
CONDA = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


def conda_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    lines = [d for d in environment["dependencies"] if isinstance(d, str)]
    listed = [Requirement(re.sub(r"(?<![<>=])=(?!=)", "==", d)) for d in lines]
    return {CONDA.get(r.name, r.name): r for r in listed}


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


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_package_is_pinned_within_its_range(name):
    requirement = EVERYTHING[name]
    if not requirements.needed_here(requirement):
        pytest.skip("not needed on this Python")
    pin = requirements.pinned_version(pins()[name])
    assert requirement.specifier.contains(pin)


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_oldest_environment_has_every_range_at_its_lower_bound(name):
    pin = requirements.pinned_version(pins(requirements.LOWEST)[name])
    assert pin == requirements.lower_bound(EVERYTHING[name]), "run `make bounds`"


def test_pins_that_python_3_10_cannot_have_are_marked():
    numpy = pins()["numpy"]
    assert numpy.marker == Marker('python_version >= "3.11"')


def test_readme_names_the_lowest_python():
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Python {lowest} or newer" in (ROOT / "README.md").read_text("utf-8")


def test_ci_runs_the_test_command_of_the_readme():
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert "\nmake test\n" in (ROOT / "README.md").read_text("utf-8")
