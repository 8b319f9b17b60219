"""Build the site: ``make site``, or ``python -m course_utils.authoring.site``."""

import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from course_utils.authoring.classroom import write_pages, write_slides
from course_utils.authoring.site.defects import defects
from course_utils.authoring.site.tree import lay_out
from course_utils.authoring.stamp import Home, find_home

BUILD = Path("build/site")


def _home() -> Home | None:
    try:
        return find_home(Path())
    except ValueError:  # on no GitHub: pages without links to it
        return None


def main() -> int:
    """Write the pages into ``build/site/html``; return 0 if they have no defect.

    A warning of Sphinx is a defect, too.
    """
    tree, pages = BUILD / "source", BUILD / "html"
    shutil.rmtree(BUILD, ignore_errors=True)
    lay_out(Path(), tree, _home())
    write_pages(tree)
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "auto"]
    options += ["--doctree-dir", f"{BUILD / 'doctrees'}"]
    if failed := build_main([*options, str(tree), str(pages)]):
        return failed
    write_slides(pages)
    found = defects(pages)
    print(*found, sep="\n", end="\n" * bool(found), file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
