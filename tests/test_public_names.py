"""A room's public names can be imported, whatever was imported before."""

import importlib
import pkgutil

import pytest

import course_utils

LAZY = {
    package.name: homes
    for package in pkgutil.walk_packages(course_utils.__path__, "course_utils.")
    if package.ispkg
    and (homes := getattr(importlib.import_module(package.name), "_HOMES", None))
}


@pytest.mark.parametrize("room", LAZY)
def test_a_lazy_name_is_no_module_of_its_room(room):
    """Importing the module would set it as an attribute, which hides the lazy name."""
    package = importlib.import_module(room)
    modules = {each.name for each in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(LAZY[room])


@pytest.mark.parametrize("room", LAZY)
def test_every_lazy_name_is_in_the_module_that_is_named(room):
    package = importlib.import_module(room)
    assert all(getattr(package, name) is not None for name in LAZY[room])
