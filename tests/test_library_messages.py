import contextlib
import json
import os
import subprocess
import sys
import threading
import types
import warnings
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch.loops.optimization.automatic import Closure
from lightning.pytorch.utilities.rank_zero import WarningCache, rank_zero_warn
from torch import nn

from course_utils import library_messages
from course_utils.library_messages import (
    Message,
    Messages,
    add_from_processes,
    collect_messages,
    is_collecting,
)


def said(text, category=UserWarning):
    """Return what is collected of a warning."""
    with collect_messages() as messages:
        warnings.warn(text, category, stacklevel=1)
    return [message.text for message in messages]


def warn_from(module, *, with_help_of="", stacklevel=1):
    """Warn in a function of a module with this name, as a library would."""
    given = {"__name__": module, "rank_zero_warn": rank_zero_warn, "warnings": warnings}
    function = with_help_of or "warnings.warn"
    exec(f"def f(): {function}('Hear!', stacklevel={stacklevel})", given)
    given["f"]()


class Forgets(L.LightningModule):
    """Returns no loss and no optimizer."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        self.layer(batch)

    def configure_optimizers(self):
        pass


def fit():
    trainer = L.Trainer(
        max_steps=1,
        logger=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(Forgets(), torch.utils.data.DataLoader(torch.ones(2, 1)))


WITHOUT_LOSS_OR_OPTIMIZER = [
    Message(
        "Lightning",
        "`LightningModule.configure_optimizers` returned `None`, this fit will run "
        "with no optimizer",
    ),
    Message(
        "Lightning",
        "`training_step` returned `None`. If this was on purpose, ignore this "
        "warning...",
    ),
]


def test_what_lightning_says_is_heard_although_muted_and_in_every_block():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\b")
        for _ in range(2):
            with collect_messages() as messages:
                fit()
            assert messages == WITHOUT_LOSS_OR_OPTIMIZER


def test_every_cache_of_what_lightning_said_is_emptied():
    module = types.ModuleType("lightning.made_up")
    module.WarningCache, module.cache = WarningCache, WarningCache()
    module.cache.add("said")
    Closure.warning_cache.add("said")
    sys.modules[module.__name__] = module
    try:
        with collect_messages():
            assert module.cache == Closure.warning_cache == set()
    finally:
        del sys.modules[module.__name__]


@pytest.mark.parametrize("before", [True, False])
def test_what_torch_says_once_per_process_is_heard_in_every_block(before):
    torch.set_warn_always(before)
    heard = []
    for _ in range(2):
        with collect_messages() as messages:
            torch.tensor([1j]).to(torch.float32)
        heard.append(messages)
    text = "Casting complex values to real discards the imaginary part"
    assert heard == [[Message("PyTorch", text)]] * 2
    assert torch.is_warn_always_enabled() is before


@pytest.mark.parametrize(
    ("module", "speaker"),
    [
        ("lightning.pytorch.core.module", "Lightning"),
        ("lightning_fabric.loggers", "Lightning"),
        ("pytorch_lightning", "Lightning"),
        ("torchmetrics.functional", "TorchMetrics"),
        ("torch.nn.utils", "PyTorch"),
        ("torchvision.io", "PyTorch"),
        ("torch_geometric", "torch_geometric"),
        ("numpy._core", "numpy"),
        ("__main__", "Python"),
    ],
)
@pytest.mark.parametrize("with_help_of", ["", "rank_zero_warn"])
@pytest.mark.parametrize("stacklevel", [1, 2, 20])
def test_the_speaker_is_who_calls_wherever_the_warning_is_attributed(
    module, speaker, with_help_of, stacklevel
):
    with collect_messages() as messages:
        warn_from(module, with_help_of=with_help_of, stacklevel=stacklevel)
    assert messages == [Message(speaker, "Hear!")]


def copies_a_tensor():
    torch.tensor(torch.ones(1))


def test_a_warning_of_c_plus_plus_is_of_pytorch_although_our_code_is_its_frame():
    with collect_messages() as messages:
        copies_a_tensor()
    [message] = messages
    assert message.speaker == "PyTorch"
    assert message.text.startswith("To copy construct from a tensor, it is recommended")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("One.  Two\n  goes on. Three.", "One. Two goes on."),
        ("Without a full stop", "Without a full stop"),
        ("Is it? `x` is. Yes.", "Is it? `x` is."),
        ("Use e.g. Adam, i.e. `A`. It is. No.", "Use e.g. Adam, i.e. `A`. It is."),
        ("Set Trainer(x=1.5, ...). Go. On.", "Set Trainer(x=1.5, ...). Go."),
        (f"{'a' * 150}. {'B' * 150}.", f"{'a' * 150}."),
        ("word " * 100, "word " * 59 + "…"),
        ("'/tmp/tmpx2myc9pg/whole' or '/tmp/a b/more/'", "'whole' or 'more'"),
        ("In /home/me/x.ckpt, or ~/y/z.pt: no", "In x.ckpt, or z.pt: no"),
        (r"In C:\Users\me\x.ckpt and 'D:\\a b\\y'", "In x.ckpt and 'y'"),
        ("/tmp/tmpa1b2c3d4 or course-killed-a1b2c3d4", "tmp or course-killed"),
        ("See https://a.io/b/c and/or `d/e`", "See https://a.io/b/c and/or `d/e`"),
        ("1 / 2", "1 / 2"),
        ("<f at 0x7f12ab> and <C object at 0xAB12>", "<f> and <C>"),
        ("No. (Triggered internally at /a/b.cpp:1.)", "No."),
        ("In Sqrt. Traceback of forward call that\n  File 1", "In Sqrt."),
    ],
)
def test_the_text_is_short_and_the_same_on_every_machine(raw, text):
    assert said(raw) == [text]


@pytest.mark.parametrize(
    "noise",
    [
        "The 'train_dataloader' does not have many workers which may be a bottleneck.",
        "This DataLoader will create 9 worker processes in total.",
        "Consider setting `persistent_workers=True` in 'val_dataloader'",
        "GPU available but not used. You can set it by",
        "'pin_memory' argument is set as true but no accelerator is found",
        "User provided device_type of 'cuda', but CUDA is not available. Disabling",
        "You have Tensor Cores. Set `torch.set_float32_matmul_precision('medium')`",
        "CUDA initialization: no driver",
        "Can't initialize NVML",
        "Could not initialize NNPACK! Reason: Unsupported hardware.",
        "The `srun` command is available on your system but is not used.",
        "Starting from v1.9.0, `tensorboardX` has been removed as a dependency",
        "pkg_resources is deprecated as an API.",
        "Checkpoint directory /tmp/a exists and is not empty.",
        "Experiment logs directory /tmp/a exists and is not empty.",
        "Missing logger folder: /tmp/a",
    ],
)
def test_what_depends_on_the_machine_is_left_out(noise):
    assert said(noise) == []
    assert said(f"About: {noise[1:]}") != [] or "Tensor Cores" in noise


def test_each_message_comes_once_in_order_of_appearance():
    with collect_messages() as messages:
        for text in ("b", "a", "b", "a  ", "c"):
            warnings.warn(text, stacklevel=1)
    assert [message.text for message in messages] == ["b", "a", "c"]


@pytest.mark.parametrize("category", [UserWarning, RuntimeWarning, PossibleUserWarning])
def test_collected_are_warnings_about_what_the_code_does(category):
    with warnings.catch_warnings():
        warnings.simplefilter("error", category)  # as in `python -W error`
        assert said("x", category) == ["x"]


@pytest.mark.parametrize("category", [DeprecationWarning, FutureWarning, ImportWarning])
def test_other_warnings_stay_errors_in_strict_mode_and_else_go_on_as_before(category):
    with warnings.catch_warnings():
        warnings.simplefilter("error", category)
        with pytest.raises(category):
            said("x", category)
    with pytest.warns(category, match="x"):
        assert said("x", category) == []


def test_after_the_filters_are_reset_other_warnings_are_still_not_collected():
    recording = warnings.catch_warnings(record=True)
    with recording as shown, collect_messages() as messages:
        warnings.resetwarnings()
        warnings.warn("later", FutureWarning, stacklevel=1)
        warnings.warn("now", stacklevel=1)
    assert [str(each.message) for each in shown] == ["later"]
    assert [message.text for message in messages] == ["now"]


def test_a_filter_of_the_block_takes_precedence():
    with collect_messages() as messages:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.warn("muted", stacklevel=1)
        with warnings.catch_warnings(record=True) as own:
            warnings.warn("recorded", stacklevel=1)
        with warnings.catch_warnings():
            warnings.warn("heard", stacklevel=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning):
                warnings.warn("raised", stacklevel=1)
    assert [message.text for message in messages] == ["heard"]
    assert len(own) == 1


def leaves_a_block_open():
    warnings.catch_warnings(record=True).__enter__()


def replaces_the_function():
    warnings.showwarning = print


def raises():
    warnings.simplefilter("error")
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "spoil",
    [
        int,
        warnings.resetwarnings,
        lambda: warnings.simplefilter("ignore"),
        warnings.filters.clear,
        leaves_a_block_open,
        replaces_the_function,
        raises,
    ],
)
def test_afterwards_filters_and_the_showing_function_are_exactly_as_before(spoil):
    filters, content, shown = (
        warnings.filters,
        [*warnings.filters],
        warnings.showwarning,
    )
    implementation = warnings._showwarnmsg_impl
    with contextlib.suppress(KeyboardInterrupt), collect_messages():
        spoil()
    assert warnings.filters is filters
    assert warnings.filters == content
    assert warnings.showwarning is shown
    assert warnings._showwarnmsg_impl is implementation
    assert not is_collecting()


def test_of_nested_blocks_the_inner_one_gets_the_message():
    with collect_messages() as outer:
        warnings.warn("before", stacklevel=1)
        with collect_messages() as inner:
            warnings.warn("inside", stacklevel=1)
        assert is_collecting()
        warnings.warn("after", stacklevel=1)
    assert [message.text for message in outer] == ["before", "after"]
    assert [message.text for message in inner] == ["inside"]


def test_threads_are_heard_and_repeat_nothing():
    def work():
        for n in range(50):
            warnings.warn(f"number {n}", stacklevel=1)

    with collect_messages() as messages:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(m.text for m in messages) == sorted(f"number {n}" for n in range(50))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_process_forked_in_the_block_writes_nothing(tmp_path):
    with collect_messages(tmp_path / "said") as messages:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            warnings.warn("from the child", stacklevel=1)
            os._exit(0)
        os.waitpid(child, 0)
        warnings.warn("from here", stacklevel=1)
    assert [message.text for message in messages] == ["from here"]
    assert len((tmp_path / "said").read_text().splitlines()) == 1


def test_a_message_says_which_processes_said_it():
    assert str(Message("PyTorch", "No.")) == 'PyTorch says: "No."'
    assert str(Message("Lightning", "x", (1,))) == 'Lightning says: "x" (process 1)'
    assert str(Message("Python", "x", (1, 3))) == 'Python says: "x" (processes 1, 3)'


def write(file: Path, *messages):
    written = Messages(file)
    for message in messages:
        written.add(message)


def test_what_processes_wrote_is_added_once_with_the_ranks_that_alone_said_it(tmp_path):
    a, b, c, d = (Message("PyTorch", text) for text in "abcd")
    files = [tmp_path / str(rank) for rank in range(4)]
    write(files[0], a, b)
    write(files[1], c, b)
    write(files[2], c, d)
    with files[2].open("a") as file:
        file.write('{"speaker": "PyTo')  # killed while it wrote
    add_from_processes(files)  # nobody listens: nothing happens
    with collect_messages() as messages:
        messages.add(d)
        add_from_processes(files)
    assert messages == [d, a, b, Message("PyTorch", "c", (1, 2))]


def test_a_full_disk_does_not_stop_the_work(tmp_path):
    with collect_messages(tmp_path / "missing" / "said") as messages:
        warnings.warn("x", stacklevel=1)
    assert len(messages) == 1


def test_a_message_is_in_the_file_as_soon_as_it_came(tmp_path):
    with collect_messages(tmp_path / "said"):
        warnings.warn("ä", stacklevel=1)
        [line] = (tmp_path / "said").read_text().splitlines()
    assert json.loads(line)["text"] == "ä"


def test_it_imports_neither_torch_nor_lightning_and_listens_without_them():
    code = """
import sys, warnings
from course_utils.library_messages import collect_messages
with collect_messages() as messages:
    warnings.warn("x")
print(*messages, {"torch", "lightning"} & {*sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.stdout == 'Python says: "x" set()\n', done.stderr
    assert library_messages.__name__ in sys.modules
