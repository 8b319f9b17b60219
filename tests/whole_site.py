"""The web site, built once for all tests of a session."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parents[1]
READ = ("notebooks", "solutions", "site", "README.md", "CONTRIBUTING.md", "LICENSE")
READ += (".github/contrast.png", "src/course_utils/records/evidence.md")


def _build(course: Path) -> None:
    for name in READ:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, course / name)
    command = [sys.executable, "-m", "course_utils.authoring.site"]
    # It fails at a warning of Sphinx and at a defect of a page.
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def built(tmp_path_factory) -> Path:
    """Return the folder of the pages, made of a copy so that nothing is left here."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    course = shared / "whole-site"
    with FileLock(shared / "whole-site.lock"):
        if not course.exists():
            _build(course)
    return course / "build/site/html"
