"""No room imports one above it, and a lesson imports what a room makes public."""

import ast
import importlib
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from course_utils.authoring import rooms

ROOT = Path(__file__).parents[1]
SCRIPTS = [*ROOT.glob("notebooks/*.py"), *ROOT.glob("solutions/*.py")]
LEARNERS_ROOMS = rooms.ROOMS[: rooms.ROOMS.index("authoring")]
# A lesson's kernel: every public name, and one use of what is imported when it is used.
KERNEL = f"""
import importlib, pkgutil, sys
import course_utils

course_utils.start("00", written_for="0.1")
for room in {LEARNERS_ROOMS}:
    package = importlib.import_module(f"course_utils.{{room}}")
    inside = pkgutil.walk_packages(package.__path__, f"{{package.__name__}}.")
    for module in [package.__name__, *(each.name for each in inside)]:
        module = importlib.import_module(module)
        for name in getattr(module, "__all__", ()):
            getattr(module, name)
course_utils.contrast("0.1", bad=lambda: {{"x": 0}}, good=lambda: {{"x": 1}})
course_utils.claim("0.1", "it holds", 1, equals=1)
course_utils.check("0.1", None)
print(*(name for name in sys.modules if name.startswith("course_utils.authoring")))
"""


def public(module: str) -> list[str]:
    """Return what a lesson may import from a room, or from a module below all rooms."""
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__path__"):
        return list(getattr(loaded, "__all__", ()))
    inside_a_room = module.count(".") > 1
    return [] if inside_a_room else [n for n in vars(loaded) if not n.startswith("_")]


def refused_in_a_lesson(code: str) -> list[str]:
    imported = set(rooms.imports_in(code)) - {("course_utils", "")}
    whole = {name for module, name in imported if module == "course_utils"} & {
        *LEARNERS_ROOMS
    }
    used = {
        (f"course_utils.{node.value.id}", node.attr)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in whole
    }
    asked = (imported - {("course_utils", room) for room in whole}) | used
    return sorted(f"{m}: {name}" for m, name in asked if name not in public(m))


def test_every_package_is_a_room_with_a_place_in_the_order():
    packages = {path.parent.name for path in rooms.PACKAGE.glob("*/__init__.py")}
    assert packages == set(rooms.ROOMS)


@pytest.mark.parametrize("room", rooms.ROOMS)
def test_a_room_imports_no_room_above_it(room):
    above = {
        f"{name} imports {module}"
        for name, imported in rooms.imports().items()
        for module in imported
        if rooms.room_of(name) == room
        and rooms.rank(rooms.room_of(module)) > rooms.rank(room)
    }
    assert above == set()


def test_a_single_module_imports_no_room_and_no_module_imports_the_face():
    for name, imported in rooms.imports().items():
        assert "course_utils" not in imported, name
        if name.count(".") == 1 and rooms.room_of(name) not in rooms.ROOMS:
            assert not {rooms.room_of(each) for each in imported} & {*rooms.ROOMS}, name


def test_no_modules_import_each_other_in_a_circle():
    TopologicalSorter(rooms.imports()).prepare()


@pytest.mark.parametrize(
    "path", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_lesson_imports_only_public_names(path):
    assert refused_in_a_lesson(path.read_text("utf-8")) == []


def test_imports_are_found_wherever_they_stand():
    code = (
        "import course_utils, os\n"
        "from course_utils import claim, syllabus\n"
        "def late():\n"
        "    from course_utils.measure import seconds\n"
        "    import course_utils.checks.devices\n"
    )
    assert list(rooms.imports_in(code)) == [
        ("course_utils", ""),
        ("course_utils", "claim"),
        ("course_utils", "syllabus"),
        ("course_utils.measure", "seconds"),
        ("course_utils.checks.devices", ""),
    ]
    assert refused_in_a_lesson(code) == [
        "course_utils.checks.devices: ",
        "course_utils: syllabus",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "from course_utils.measure.timing import seconds",
        "from course_utils.measure import timing",
        "from course_utils.settings import _private",
        "from course_utils import authoring",
        "from course_utils import capstone\nprint(capstone.runs)",
    ],
)
def test_a_lesson_may_use_no_module_inside_a_room_and_no_private_name(code):
    assert len(refused_in_a_lesson(code)) == 1


@pytest.mark.slow
def test_a_learners_kernel_never_loads_what_is_for_maintainers():
    done = subprocess.run(
        [sys.executable, "-c", KERNEL], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""
