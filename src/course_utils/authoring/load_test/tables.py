"""The tables from which an instructor sizes a machine, as Markdown."""

from collections.abc import Iterable

from course_utils import syllabus
from course_utils.authoring.load_test import sizing
from course_utils.authoring.load_test.record import Load, Record
from course_utils.formatting import markdown_table


def _measured_table(loads: Iterable[Load]) -> str:
    """Return one row per load."""
    heads = (
        "Learners",
        "Finished",
        "Outputs as stored",
        "Median, s",
        "Slowest, s",
        "Processor time per learner, s",
        "All kernels, MB",
    )
    rows = (
        [
            *map(str, (load.learners, load.finished, load.right)),
            f"{load.median_seconds:.0f}",
            f"{load.slowest_seconds:.0f}",
            f"{load.processor_seconds:.0f}",
            f"{load.kernels_megabytes:,.0f}",
        ]
        for load in loads
    )
    return markdown_table(heads, rows, "---:")


def _sizing_table(needs: Iterable[sizing.Need]) -> str:
    """Return one row per class; each number is marked as measured or computed."""
    heads = (
        "Learners",
        "Kernels, GB",
        "Servers, GB",
        "Cores, all at once",
        "Cores, a class that reads",
    )
    rows = (
        [
            f"{each.learners}",
            f"{each.kernels_gigabytes:.1f} "
            + ("measured" if each.measured else "computed"),
            f"{each.servers_gigabytes:.1f} computed",
            f"{each.cores_at_once} computed",
            f"{each.cores_in_class} computed",
        ]
        for each in needs
    )
    return markdown_table(heads, rows, "---:")


def _how(record: Record) -> str:
    machine = record.machine
    # Each server of a hub has a process with the imports of its own.
    shared = (
        " All kernels are of one server and share its imports; on a hub, where each "
        "learner has a server, count the first row's memory for each."
    )
    return (
        f"Measured on {record.date}: lesson {record.lesson}, one kernel per learner, "
        f"all started at the same moment, on {machine.cores} cores "
        f"({machine.processor}) with {machine.gigabytes:.0f} GB."
        f"{shared if record.kernel == 'ready' else ''}"
    )


def _formulas(record: Record) -> str:
    minutes = syllabus.load().lesson(record.lesson).teaching_minutes
    largest = record.loads[-1]
    private = largest.private_megabytes / largest.learners
    alone, share = sizing.load_of_one(record), sizing.running_share(record)
    work = f"{sizing.processor_seconds(record):.0f} s"
    lines = (
        f"*Kernels:* measured for up to {largest.learners} learners, and "
        f"{private:,.0f} MB more for each further one, the memory that a kernel shares "
        "with no other.",
        f"*Servers:* {alone.server_megabytes:,.0f} MB per learner, because a "
        "JupyterHub starts a server for each.",
        "*All at once:* everyone runs the whole lesson at the same moment and waits "
        f"{sizing.SLACK:g} times as long as one learner alone: learners × {work} "
        f"of processor time ÷ ({sizing.SLACK:g} × {alone.median_seconds:.0f} s).",
        f"*A class that reads:* cells run for {share:.1%} of the time "
        f"({alone.median_seconds:.0f} s of {minutes} minutes): learners × "
        f"{work} ÷ {60 * minutes:,} s, with cores that are busy for at most "
        f"{sizing.BUSY:.0%} of the time.",
    )
    return "\n".join(f"- {line}" for line in lines)


def markdown(record: Record) -> str:
    """Return README's section on the size of a machine."""
    needs = [sizing.compute_need(record, learners) for learners in sizing.CLASSES]
    return "\n\n".join(
        (
            _how(record),
            _measured_table(record.loads),
            _sizing_table(needs),
            _formulas(record),
            f"No row has fewer cores than the {record.machine.cores} of the "
            "measurement. A class in which everyone runs the same cell at the same "
            "moment lies between the two columns of cores. The hub itself is not "
            "counted.",
        )
    )
