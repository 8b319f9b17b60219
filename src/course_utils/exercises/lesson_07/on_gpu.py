"""What lesson 07 measures on a GPU: four precisions, and the caching allocator."""

import gc
import time
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from course_utils.data import ImageDataModule, scaled
from course_utils.experiments import gpu_table, preserve_global_state
from course_utils.hardware import MEGABYTE, profile, quiet_trainer

PIXELS, IMAGES, WARM_UP, TIMED = 128, 256, 10, 30
TENSORS, TENSOR_MEGABYTES = 100, 4

Numbers = dict[str, float]


class _ResNet(L.LightningModule):
    """torchvision's ResNet-18 on images of one channel or three."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        from torchvision.models import resnet18  # slow to import, and rarely needed

        self.net = resnet18(weights=None, num_classes=classes)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self.net(images.expand(-1, 3, -1, -1)), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class _Clock(L.Callback):
    """Time the batches after the warm-up; the device has finished them."""

    seconds = 0.0

    def __init__(self, warm_up: int, last: int) -> None:
        self.warm_up, self.last = warm_up, last

    def on_train_batch_start(self, *args: Any) -> None:
        if args[-1] == self.warm_up:
            _wait()
            self.started = time.perf_counter()

    def on_train_batch_end(self, *args: Any) -> None:
        if args[-1] == self.last:
            _wait()
            self.seconds = time.perf_counter() - self.started


def _on_cuda() -> bool:
    return profile().accelerator == "gpu"


def _device() -> str:
    return "cuda" if _on_cuda() else "cpu"


def _wait() -> None:
    if _on_cuda():
        torch.cuda.synchronize()


def _start_peaks() -> None:
    gc.collect()
    if _on_cuda():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def training_speed(
    precision: str,
    tf32: bool,
    pixels: int = PIXELS,
    count: int = IMAGES,
    warm_up: int = WARM_UP,
    timed: int = TIMED,
) -> Numbers:
    """Train a ResNet-18 on one batch again and again; return its speed and its peaks.

    Args:
        precision: For the Trainer.
        tf32: Whether products and convolutions of float32 may use TF32.
        pixels: Height and width to which the images are scaled up.
        count: Images in the batch.
        warm_up: Batches before the clock starts.
        timed: Batches on the clock.
    """
    data = ImageDataModule()
    images = F.interpolate(scaled(data.train_images[:count]), size=(pixels, pixels))
    parts = images.to(_device()), data.train_labels[:count].to(_device())
    loader = DataLoader([parts] * (warm_up + timed), batch_size=None)
    clock = _Clock(warm_up, warm_up + timed - 1)
    with (
        preserve_global_state(),
        torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32),
    ):
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.manual_seed(0)
        trainer = L.Trainer(
            **quiet_trainer(precision=precision, callbacks=[clock], max_epochs=1)
        )
        _start_peaks()
        trainer.fit(_ResNet(data.num_classes), loader)
        peaks = {
            "allocated (MB)": round(torch.cuda.max_memory_allocated() / MEGABYTE),
            "reserved (MB)": round(torch.cuda.max_memory_reserved() / MEGABYTE),
        }
    return {"images per second": round(count * timed / clock.seconds), **peaks}


def _in_use() -> Numbers:
    """Return what PyTorch's allocator has handed out, and what it holds in all."""
    return {
        "allocated (MB)": round(torch.cuda.memory_allocated() / MEGABYTE),
        "reserved (MB)": round(torch.cuda.memory_reserved() / MEGABYTE),
    }


def _allocator() -> dict[str, Callable[[], Numbers]]:
    """Return the stages that show when the allocator gives memory back."""
    held: list[Tensor | None] = []

    def fill() -> Numbers:
        _start_peaks()
        held.extend(_megabytes(TENSOR_MEGABYTES) for _ in range(TENSORS))
        return _in_use()

    def free_every_second() -> Numbers:
        held[::2] = [None] * (TENSORS // 2)
        return _in_use()

    def empty() -> Numbers:
        torch.cuda.empty_cache()
        return _in_use()

    def ask_for_larger() -> Numbers:
        held.extend(_megabytes(2 * TENSOR_MEGABYTES) for _ in range(TENSORS // 4))
        return _in_use()

    def free_all() -> Numbers:
        held.clear()
        return _in_use()

    return {
        f"{TENSORS} tensors of {TENSOR_MEGABYTES} MB": fill,
        "every second one deleted": free_every_second,
        "then empty_cache": empty,
        f"{TENSORS // 4} tensors of {2 * TENSOR_MEGABYTES} MB added": ask_for_larger,
        "all deleted": free_all,
        "empty_cache again": empty,
    }


def _megabytes(size: int) -> Tensor:
    return torch.empty(size * MEGABYTE, dtype=torch.uint8, device=_device())


def speed_on_gpu() -> str:
    """Return the speed and the peaks of training in four precisions, or who has none.

    Float32 without TF32 comes first; by default PyTorch allows TF32 in convolutions.
    """
    runs = {
        "32-true, no TF32": ("32-true", False),
        "32-true, TF32": ("32-true", True),
        "bf16-mixed": ("bf16-mixed", True),
        "16-mixed": ("16-mixed", True),
    }

    def stage(precision: str, tf32: bool) -> Callable[[], Numbers]:
        return lambda: training_speed(precision, tf32)

    return gpu_table("7.1", {name: stage(*run) for name, run in runs.items()})


def cache_on_gpu() -> str:
    """Return what deleting tensors and ``empty_cache`` give back, or who knows."""
    return gpu_table("7.4", _allocator())
