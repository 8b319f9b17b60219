"""The project installs the same way from every file that lists its packages."""

import re
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from course_utils.authoring import requirements
from course_utils.authoring.requirements import PROJECT, ROOT, lines, pins, required

EVERYTHING = required(*requirements.EXTRAS)
MINORS = [
    line.rpartition(" ")[2]
    for line in PROJECT["classifiers"]
    if line.startswith("Programming Language :: Python :: 3.")
]
# The first of each minor version, and two in use: Debian 12's, and CI's.
PYTHONS = [f"{minor}.0" for minor in MINORS] + ["3.11.2", "3.11.7"]
# conda-forge's names for the same packages
CONDA = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}


def is_installed(name):
    return any(metadata.distributions(name=name))


def conda_packages():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    lines = [d for d in environment["dependencies"] if isinstance(d, str)]
    listed = [Requirement(re.sub(r"(?<![<>=!])=(?!=)", "==", d)) for d in lines]
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
    if not requirements.needed_on(requirement):
        pytest.skip("not needed on this Python")
    pin = requirements.pinned_version(pins()[name])
    assert requirement.specifier.contains(pin)


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_oldest_environment_has_every_range_at_its_lower_bound(name):
    lowest = {canonicalize_name(pin.name): pin for pin in lines(requirements.LOWEST)}
    pin = requirements.pinned_version(lowest[name])
    [bound] = [s for s in EVERYTHING[name].specifier if s.operator == ">="]
    assert pin == Version(bound.version), "run `make pins`"


def refused(pin, asked):
    """Name the supported Pythons on which ``pin`` counts and the package does not run.

    ``asked`` is what the package states as its Requires-Python.
    """
    return [
        python
        for python in PYTHONS
        if requirements.needed_on(pin, environment(python))
        and not SpecifierSet(asked).contains(python)
    ]


def environment(python):
    minor = ".".join(python.split(".")[:2])
    return {"python_full_version": python, "python_version": minor}


@pytest.mark.parametrize("name", [n for n in pins() if is_installed(n)])
def test_every_pin_counts_only_where_its_package_runs(name):
    asked = metadata.metadata(name).get("Requires-Python", "")
    wrong = refused(pins()[name], asked)
    assert not wrong, f"{name} asks for Python {asked}: run `make pins`"


def test_a_pin_that_a_supported_python_cannot_install_is_found():
    pin = Requirement("soupsieve==4.1.2; python_version >= '3.11'")
    assert refused(pin, ">=3.11.5") == ["3.11.0", "3.11.2"]
    assert refused(Requirement("ipykernel==7.4.0"), ">=3.11") == ["3.10.0"]


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_has_one_pin_of_each_package(python, name):
    if not requirements.needed_on(EVERYTHING[name], environment(python)):
        pytest.skip("not needed on this Python")
    found = [
        line
        for line in lines()
        if canonicalize_name(line.name) == name
        and requirements.needed_on(line, environment(python))
    ]
    assert len(found) == 1


def test_readme_names_the_pythons_that_the_package_names():
    assert f"Python {MINORS[0]} to {MINORS[-1]}" in (ROOT / "README.md").read_text()
    assert PROJECT["requires-python"] == f">={MINORS[0]}"


def test_ci_runs_the_test_command_of_the_readme_and_the_slow_tests():
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert lines[-2:] == ["make test", "make test-slow"]
    assert "\nmake test\n" in (ROOT / "README.md").read_text("utf-8")
