"""What a lesson may import: the public names of `course_utils` and of its rooms."""

import importlib
import pkgutil
import subprocess
import sys

import pytest
from IPython.core.completer import IPCompleter

import course_utils

PACKAGES = [
    course_utils.__name__,
    *(
        found.name
        for found in pkgutil.walk_packages(course_utils.__path__, "course_utils.")
        if found.ispkg
    ),
]
ROOMS = [name for name in PACKAGES if hasattr(importlib.import_module(name), "__all__")]


def test_every_room_that_lessons_import_from_names_what_is_public():
    rooms = ["", ".capstone", ".checks", ".data", ".distributed", ".exercises"]
    rooms += [".experiments", ".experiments.plots", ".measure", ".own_code"]
    assert {f"course_utils{room}" for room in rooms} - set(ROOMS) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_can_be_imported_and_is_listed(room):
    module = importlib.import_module(room)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("room", ROOMS)
def test_no_public_name_equals_a_module_of_its_room(room):
    module = importlib.import_module(room)
    inside = {each.name for each in pkgutil.iter_modules(module.__path__)}
    lazily = set(vars(module).get("_HOMES", ()))
    # An import of the module would set the name, in place of what is looked up lazily.
    assert inside & lazily == set()
    for name in inside & set(module.__all__):  # unless it is the module that is public
        assert getattr(module, name) is importlib.import_module(f"{room}.{name}")


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'course_utils' has no attribute 'clam'"):
        _ = course_utils.clam


def test_tab_completes_names_that_are_not_imported_yet():
    completer = IPCompleter(namespace={"course_utils": course_utils}, use_jedi=False)
    assert completer.complete("course_utils.con")[1] == [".contrast"]
    assert completer.complete("course_utils.data.Im")[1] == [".ImageDataModule"]


def test_the_face_alone_loads_nothing_heavy_and_changes_nothing():
    code = """
import os, sys, warnings
before = dict(os.environ), list(warnings.filters)
import course_utils
assert (dict(os.environ), list(warnings.filters)) == before
print({"torch", "lightning", "matplotlib", "IPython"} & set(sys.modules))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.returncode, found.stdout, found.stderr) == (0, "set()\n", "")
