"""Let the kernel refuse writes: Linux's Landlock, from 5.13 on.

Python's audit hooks see what Python code does. What C++ code does, and the programs
that are started, only the kernel sees.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every processor
_VERSION, _PATH_BENEATH, _NO_NEW_PRIVILEGES = 1, 1, 38
# Of linux/landlock.h: write a file; remove directories and files; make all kinds.
_WRITES = 1 << 1 | sum(1 << bit for bit in range(4, 13))
_LATER = ((2, 1 << 13), (3, 1 << 14))  # from which version: link or rename; truncate


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(ctypes.c_long(number), *arguments))


def _version() -> int:
    """Return the version of Landlock that this kernel has, 0 or less without.

    It is less than 0 where the kernel is older, or a container forbids the call.
    """
    if sys.platform != "linux":
        return 0
    try:
        return _call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    except (AttributeError, OSError):  # no libc that has `syscall`
        return 0


def by_the_kernel() -> bool:
    """Return whether this kernel can refuse writes."""
    return _version() > 0


def only_writes_inside(folders: Iterable[str]) -> bool:
    """Let this thread, and all threads and processes that it starts, write only there.

    It cannot be taken back. Threads that run already are not concerned, nor are the
    permissions and times of files, for which the kernel has no such right.

    Args:
        folders: Their files, and those below, may be made, changed and removed.

    Returns:
        Whether the kernel sees to it; if not, every folder may still be written.
    """
    version = _version()
    if version < 1:
        return False
    writes = _WRITES + sum(right for since, right in _LATER if version >= since)
    rights = ctypes.create_string_buffer(struct.pack("=Q", writes), 8)
    rules = _call(_CREATE_RULESET, rights, ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    try:
        for folder in folders:
            place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            try:
                beneath = struct.pack("=Qi", writes, place)
                rule = ctypes.create_string_buffer(beneath, len(beneath))
                if _call(_ADD_RULE, rules, _PATH_BENEATH, rule, 0):
                    return False
            finally:
                os.close(place)
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return _call(_RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)
