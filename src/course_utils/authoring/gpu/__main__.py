"""Run lessons and solutions on this machine's GPU and write ``records/gpu.json``.

The record is written after each notebook. What ran well on the same card, with the same
versions and the same code, is not run again; what failed before is.

Exit status: 0 if every notebook ran and every claim holds, 1 if not, 2 if nothing can
be measured here, 130 after Ctrl-C.
"""

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[4]
RECORD = Path("src", "course_utils", "records", "gpu.json")
FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130
# The course's own dependencies, without what only the command `course` needs.
NEEDED = (
    *("torch", "torchvision", "lightning", "torchmetrics", "matplotlib"),
    *("ipykernel", "nbclient", "nbformat"),
    *("cloudpickle", "platformdirs", "psutil"),
    *(("tomli",) if sys.version_info < (3, 11) else ()),
)


def missing_packages() -> str:
    """Return which packages this Python lacks and the remedy, or ``""``."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"Expected {', '.join(missing)} in {sys.executable} but found none: run "
        f"`{Path(sys.executable).name} -m pip install {' '.join(missing)}`; without a "
        "network, carry their wheels as CONTRIBUTING.md says."
    )


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.authoring.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("lessons", nargs="*", help="only these, for example 07 12")
    parser.add_argument("--record", type=Path, default=ROOT / RECORD, metavar="PATH")
    parser.add_argument("--again", action="store_true", help="run what ran well, too")
    parser.add_argument(
        "--cell-seconds",
        type=int,
        default=300,
        metavar="N",
        help="limit for one cell (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parsed(arguments)
    if sentence := missing_packages():
        print(sentence, file=sys.stderr)
        return UNUSABLE
    # Only now, since these import the packages.
    from course_utils.authoring.gpu import run

    try:
        plan = run.make_plan(ROOT, options.record, options.lessons, options.again)
        well = plan.carry_out(options.cell_seconds)
    except (ValueError, OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print(f"Stopped. {options.record} holds what had ended.", file=sys.stderr)
        return INTERRUPTED
    return 0 if well else FAILED


if __name__ == "__main__":
    sys.exit(main())
