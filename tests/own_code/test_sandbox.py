"""Where the kernel cannot refuse writes, Python's hooks still do."""

import ctypes
import importlib
import subprocess
import sys

import pytest

from course_utils.own_code import landlock, sandbox

WITHOUT = """
import subprocess, sys, torch
from pathlib import Path
from course_utils.own_code import landlock, sandbox

landlock._version = lambda: 0
sandbox.refuse_writes(Path(sys.argv[1]))
Path(sys.argv[1], "inside.txt").write_text("x")
for act in (
    lambda: subprocess.run([sys.executable, "--version"]),
    lambda: Path(sys.argv[1], "..", "outside.txt").write_text("x"),
):
    try:
        act()
    except sandbox.Refused as error:
        print(error)
"""


def refused(*_):
    return -1


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_not_asked(platform, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(landlock, "_call", pytest.fail)
    assert not landlock.only_writes_inside([str(tmp_path)])


def test_an_old_kernel_or_a_container_that_forbids_it_is_let_be(monkeypatch, tmp_path):
    monkeypatch.setattr(landlock, "_call", refused)
    assert not landlock.by_the_kernel()
    assert not landlock.only_writes_inside([str(tmp_path)])


def test_what_is_forbidden_after_the_version_was_told_is_let_be(monkeypatch, tmp_path):
    monkeypatch.setattr(landlock, "_version", lambda: 7)
    monkeypatch.setattr(landlock, "_call", refused)
    assert not landlock.only_writes_inside([str(tmp_path)])


def test_a_libc_without_syscall_is_let_be(monkeypatch, tmp_path):
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert not landlock.only_writes_inside([str(tmp_path)])


def test_without_the_kernel_no_file_is_written_and_no_program_started(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    command = [sys.executable, "-c", WITHOUT, str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    started, written = said.splitlines()
    assert started == "it would start another program; none was started"
    assert written.endswith("outside.txt; nothing was changed")
    assert [each.name for each in tmp_path.rglob("*.txt")] == ["inside.txt"]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("pytorch_lightning", "lightning.pytorch"),
        ("pytorch_lightning.callbacks", "lightning.pytorch.callbacks"),
        ("lightning_fabric.plugins.io", "lightning.fabric.plugins.io"),
    ],
)
def test_each_name_of_lightning_means_one_package(name, same):
    finder = sandbox._OneLightning()
    spec = finder.find_spec(name)
    assert finder.create_module(spec) is importlib.import_module(same)


def test_no_other_package_is_replaced():
    assert sandbox._OneLightning().find_spec("lightning_utilities.core") is None
