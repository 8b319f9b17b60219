import os
import sys
import types
import warnings

import lightning as L
import pytest
import torch

from course_utils import hardware


@pytest.fixture(autouse=True)
def _this_machine(monkeypatch):
    for name in ("COLAB_RELEASE_TAG", "BINDER_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


NO_KERNEL = "CUDA error: no kernel image is available for execution on the device\nTry"


@pytest.fixture
def gpu(monkeypatch):
    """Pretend a GPU on which the first computation raises, if that is asked for."""

    def pretend(failure: str = "", seen: bool = True) -> list[str]:
        trials = []

        def ones(*size, device):
            trials.append(device)
            if failure:
                raise RuntimeError(failure)
            return torch.zeros(*size)

        monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: int(seen))
        monkeypatch.setattr(torch, "ones", ones)
        return trials

    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    hardware._failure_on_gpu.cache_clear()
    yield pretend
    hardware._failure_on_gpu.cache_clear()


def test_a_gpu_that_computes_is_used_and_tried_once(gpu):
    trials = gpu()
    assert [hardware.profile() for _ in range(3)] == [hardware.GPU] * 3
    assert (hardware.GPU.accelerator, hardware.GPU.data) == ("gpu", "mnist")
    assert hardware.quiet_trainer()["accelerator"] == "gpu"
    assert hardware.why_no_gpu() == ""
    assert trials == ["cuda:0"]


def test_without_a_gpu_nothing_is_tried(gpu):
    trials = gpu(seen=False)
    assert hardware.profile() == hardware.CPU
    assert (hardware.CPU.accelerator, hardware.CPU.data) == ("cpu", "embedded")
    assert hardware.why_no_gpu() == ""
    assert trials == []


def test_a_gpu_for_which_torch_has_no_kernels_is_not_used_and_the_reason_is_said(gpu):
    trials = gpu(NO_KERNEL)
    assert hardware.profile() == hardware.CPU
    assert hardware.why_no_gpu() == (
        "The GPU is not used, as a first computation on it failed: CUDA error: no "
        "kernel image is available for execution on the device."
    )
    assert trials == ["cuda:0"]


def test_course_device_leaves_a_gpu_alone(gpu, monkeypatch):
    trials = gpu()
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert hardware.profile() == hardware.CPU
    assert hardware.why_no_gpu() == "The GPU is not used: COURSE_DEVICE=cpu."
    assert trials == []


@pytest.mark.parametrize("seen", [True, False])
def test_a_wrong_course_device_is_refused_with_and_without_a_gpu(
    gpu, monkeypatch, seen
):
    gpu(seen=seen)
    monkeypatch.setenv("COURSE_DEVICE", "gpu")
    with pytest.raises(ValueError, match="COURSE_DEVICE to be 'cpu' or unset"):
        hardware.profile()


def test_a_hidden_gpu_is_found_by_no_trainer_and_by_no_process_started_later(gpu):
    gpu(NO_KERNEL)
    hardware.hide_gpu()
    trainer = L.Trainer(accelerator="auto", logger=False, enable_checkpointing=False)
    assert trainer.strategy.root_device.type == "cpu"
    assert hardware.why_no_gpu() == ""
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_colab_binder_and_this_machine_are_distinguished(monkeypatch):
    assert hardware.place() == "this machine"
    monkeypatch.setenv("BINDER_SERVICE_HOST", "10.0.0.1")
    assert hardware.place() == "Binder"
    monkeypatch.setitem(sys.modules, "google.colab", sys)
    assert hardware.place() == "Colab"


def test_colab_is_recognized_before_its_module_is_imported(monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    assert hardware.place() == "Colab"


class Ones(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_quiet_trainer_leaves_no_file_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = L.Trainer(max_epochs=1, **hardware.quiet_trainer())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(Ones(), torch.utils.data.DataLoader(torch.ones(4, 2)))
    assert trainer.global_step == 4
    assert os.listdir(tmp_path) == []


def test_a_change_replaces_or_extends_the_quiet_settings():
    quiet = hardware.quiet_trainer(devices=2, max_epochs=3)
    assert (quiet["devices"], quiet["max_epochs"]) == (2, 3)
    assert quiet["logger"] is False
    assert hardware.quiet_trainer()["devices"] == 1


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """Let ``nvidia-smi`` and the kernel module's file say what a test wants."""

    def say(tool, module):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{tool}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path) if tool else "")
        file = tmp_path / "version"
        file.write_text(module)
        monkeypatch.setattr(hardware, "Path", lambda _: file)
        return hardware._driver()

    return say


@pytest.mark.skipif(os.name != "posix", reason="a script stands for nvidia-smi")
def test_the_driver_is_named_by_its_tool_or_by_its_kernel_module(driver):
    module = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Rel"
    assert driver("echo 580.65.06", module) == "580.65.06"
    assert driver("echo Mismatch 1.2; exit 18", module) == "570.86.10"
    assert driver("", module) == "570.86.10"
    assert driver("", "") == "unknown"


def test_a_card_is_named_with_memory_and_versions(monkeypatch):
    card = types.SimpleNamespace(name="Tesla T4", total_memory=15 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(hardware, "_driver", lambda: "580.65.06")
    assert hardware.gpu_details() == {
        "card": "Tesla T4",
        "card_megabytes": 15 * 1024,
        "driver": "580.65.06",
        "cuda": "13.0",
    }


def test_peaks_are_megabytes_and_zero_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 3 * 2**20)
    peaks = hardware.peak_gpu_memory()
    assert peaks["reserved"] == 3
    if not torch.cuda.is_available():
        assert peaks["allocated"] == 0
