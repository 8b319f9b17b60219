import importlib
import logging
import os
import random
import sys
import warnings

import lightning as L
import numpy as np
import pytest
import torch

from course_utils.experiments import preserve_global_state


def random_numbers() -> tuple:
    """The next number of each generator, without moving it."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    drawn = random.random(), np.random.rand(), torch.rand(1).item()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    return drawn


def sticky() -> dict[str, object]:
    """Everything that one experiment could leave to the next, read from outside."""
    return {
        "random": random_numbers(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "dtype": torch.ones(1).dtype,
        "device": torch.ones(1).device,
        "matmul": torch.get_float32_matmul_precision(),
        "grad": torch.is_grad_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "check nan": torch.is_anomaly_check_nan_enabled(),
        "threads": torch.get_num_threads(),
        "benchmark": torch.backends.cudnn.benchmark,
        "cudnn deterministic": torch.backends.cudnn.deterministic,
        "environment": {**os.environ, "PYTEST_CURRENT_TEST": ""},  # setup, then call
        "folder": os.getcwd(),
        "filters": list(warnings.filters),
        "level": logging.getLogger("lightning.pytorch").level,
        "root level": logging.root.level,
        "recursion limit": sys.getrecursionlimit(),
        "fit": L.Trainer.fit,
        "to": vars(torch.nn.Module)["to"],
        "new method": hasattr(L.LightningModule, "course_test_new"),
        "logging off": logging.root.manager.disable,
        "safe globals": set(torch.serialization.get_safe_globals()),
    }


def change_everything(folder) -> None:
    random.random()
    np.random.rand()
    torch.rand(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_float32_matmul_precision("medium")
    torch.set_grad_enabled(False)
    torch.serialization.add_safe_globals([bytearray])
    torch.autograd.set_detect_anomaly(True, check_nan=False)
    torch.set_num_threads(torch.get_num_threads() + 1)
    sys.setrecursionlimit(sys.getrecursionlimit() + 500)
    L.Trainer.fit = torch.nn.Module.to = lambda *_, **__: None
    L.LightningModule.course_test_new = 1
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.deterministic = True
    os.environ["COURSE_TEST_NEW"] = "1"
    os.environ["COURSE_TEST_OLD"] = "changed"
    del os.environ["COURSE_TEST_GONE"]
    os.chdir(folder)
    warnings.simplefilter("error")
    logging.getLogger("lightning.pytorch").setLevel(3)
    logging.root.setLevel(4)
    logging.disable(logging.INFO)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")


@pytest.fixture
def before(monkeypatch) -> dict[str, object]:
    monkeypatch.setenv("COURSE_TEST_OLD", "old")
    monkeypatch.setenv("COURSE_TEST_GONE", "here")
    monkeypatch.delenv("COURSE_TEST_NEW", raising=False)
    logging.getLogger("lightning.pytorch")
    return sticky()


def test_everything_is_put_back(before, tmp_path):
    with preserve_global_state():
        change_everything(tmp_path)
    assert sticky() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_everything_is_put_back_after_an_error(before, tmp_path, error):
    def change_and_raise():
        with preserve_global_state():
            change_everything(tmp_path)
            raise error

    with pytest.raises(error):
        change_and_raise()
    assert sticky() == before


def test_every_setting_above_is_really_changed(before, tmp_path):
    with preserve_global_state():
        change_everything(tmp_path)
        torch.set_default_device("cpu")  # numbers are drawn on the CPU
        changed = sticky()
        torch.set_default_device("meta")
        changed["device"] = torch.ones(1).device
    assert {name for name in before if before[name] == changed[name]} == set()


def test_a_default_device_set_before_is_restored():
    torch.set_default_device("meta")
    try:
        with preserve_global_state():
            torch.set_default_device("cpu")
        assert torch.ones(1).device.type == "meta"
    finally:
        torch.set_default_device(None)


def test_inside_nothing_is_changed_yet(before):
    with preserve_global_state():
        assert sticky() == before


def test_a_warning_shown_once_is_shown_again_in_the_next_block(
    tmp_path, monkeypatch, recwarn
):
    code = "import warnings\ndef show():\n    warnings.warn('look', stacklevel=1)\n"
    (tmp_path / "shows_a_warning.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("shows_a_warning")
    for action in ("default", "once"):
        recwarn.clear()
        for _ in range(2):
            with preserve_global_state():
                warnings.simplefilter(action)
                module.show()
                module.show()
        assert [str(each.message) for each in recwarn] == ["look", "look"]
    del sys.modules["shows_a_warning"]


def test_a_module_that_is_no_module_does_not_matter(monkeypatch):
    class Slotted:
        __slots__ = ()

    monkeypatch.setitem(sys.modules, "not_really_a_module", Slotted())
    with preserve_global_state():
        torch.rand(1)


def test_a_setting_that_cannot_be_restored_does_not_stop_the_others(
    before, tmp_path, monkeypatch
):
    def vanish():
        with preserve_global_state():
            change_everything(tmp_path)
            monkeypatch.setattr(os, "chdir", lambda _: 1 / 0)

    here = os.getcwd()
    with pytest.raises(ZeroDivisionError):
        vanish()
    monkeypatch.undo()
    os.chdir(here)
    found = {**sticky(), "environment": before["environment"]}
    assert found == before


def test_blocks_can_be_nested(before, tmp_path):
    with preserve_global_state():
        torch.manual_seed(1)
        outer = sticky()
        with preserve_global_state():
            change_everything(tmp_path)
        assert sticky() == outer
    assert sticky() == before
