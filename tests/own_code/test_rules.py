"""Rules on short modules: what they find, and what they leave alone."""

from textwrap import dedent, indent

import pytest

from course_utils.own_code.reading import read

HEAD = """
import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, random_split
"""


def module(body: str, base: str = "L.LightningModule") -> str:
    return f"class Model({base}):\n{indent(dedent(body).strip(), '    ')}\n"


def step(body: str) -> str:
    lines = indent(dedent(body).strip(), "    ")
    optimizer = (
        "def configure_optimizers(self):\n    return torch.optim.SGD(self.parameters())"
    )
    return module(f"def training_step(self, batch, batch_idx):\n{lines}\n{optimizer}")


@pytest.fixture
def found(tmp_path):
    def find(code: str) -> list[str]:
        file = tmp_path / "model.py"
        file.write_text(HEAD + dedent(code))
        report, _ = read([file])
        assert report.unasked == []
        return [each.practice for each in report.findings]

    return find


FOUND = {
    "both switches": ("5.2", "L.Trainer(deterministic=True, benchmark=True)"),
    "a root behind where": (
        "6.3",
        module("def forward(self, v): return torch.where(v > 0, v.sqrt(), 0.0)"),
    ),
    "a log behind where": (
        "6.3",
        module("def forward(self, v): return torch.where(v > 0, torch.log(v), 0.0)"),
    ),
    "a loss divided twice": (
        "7.2",
        step("return self(batch) / self.trainer.accumulate_grad_batches"),
    ),
    "a batch moved by hand": (
        "12.3",
        step("x, y = batch\nx = x.to(self.device)\nreturn F.mse_loss(x, y)"),
    ),
    "a checkpoint of the worst": ("9.1", 'ModelCheckpoint(monitor="val/acc")'),
    "stopping when it improves": ("8.4", 'EarlyStopping("val_f1", mode="min")'),
    "a filename that makes folders": (
        "4.2",
        'ModelCheckpoint(filename="{epoch}-{val/loss:.2f}")',
    ),
    "a test metric that is watched": ("10.2", 'ModelCheckpoint(monitor="test_loss")'),
    "validation on test data": (
        "10.2",
        "trainer.fit(model, train, test_loader)",
    ),
    "a plateau of an accuracy": (
        "4.4",
        module(
            """
            def configure_optimizers(self):
                optimizer = torch.optim.SGD(self.parameters())
                plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
                plan = {"scheduler": plateau, "monitor": "val_acc"}
                return {"optimizer": optimizer, "lr_scheduler": plan}
            """
        ),
    ),
    "noise moved by a keyword": (
        "2.2",
        step("return self(batch + torch.randn(2).to(device=self.device))"),
    ),
    "noise reshaped, then moved": (
        "2.2",
        step("return self(batch + torch.randn(2).view(1, 2).to(batch.device))"),
    ),
    "noise moved under its name": (
        "2.2",
        step("z = torch.randn(2)\nz = z.to(self.device)\nreturn self(batch + z)"),
    ),
    "noise moved where it is used": (
        "2.2",
        step("z = torch.randn(2)\nreturn self(batch + z.type_as(batch))"),
    ),
    "two names of Lightning": ("imports", "import pytorch_lightning as pl"),
}
LEFT_ALONE = {
    "a root of a safe value": module(
        "def forward(self, v):\n"
        "    return torch.where(v > 0, v.clamp(min=1e-6).sqrt(), 0.0)"
    ),
    "a checkpoint of the best": 'ModelCheckpoint(monitor="val_acc", mode="max")',
    "a loss called accuracy loss": 'ModelCheckpoint(monitor="val_acc_loss")',
    "a mode in options": "ModelCheckpoint(monitor='val_acc', **options)",
    "a new tensor under an old name": step(
        "x, y = batch\nx = x + 1\nx += 1\nreturn F.mse_loss(x, y)"
    ),
    "an item of a dictionary": step(
        'batch["x"] = batch["x"] + 1\nreturn self(batch["x"])'
    ),
    "optimization by hand": module(
        """
        automatic_optimization = False

        def training_step(self, batch, batch_idx):
            self.manual_backward(self(batch))
            self.optimizers().step()
        """
    ),
    "backward where no Trainer is": step(
        "loss = self(batch)\nif not self.lightning_mode:\n    loss.backward()\n"
        "return loss"
    ),
    "a tensor that a loop fills": step(
        """
        mask = torch.zeros(2, 9)
        for row, length in enumerate((3, 4)):
            mask[row, :length] = 1
        return self(batch * mask.to(self.device))
        """
    ),
    "a tensor made once, moved often": step(
        """
        ones = torch.ones(2)
        for each in batch:
            each = each + ones.to(self.device)
        return self(batch)
        """
    ),
    "a tensor that is changed before it is moved": step(
        "z = torch.zeros(2)\nz += 1\nreturn self(batch + z.to(self.device))"
    ),
    "a tensor that is kept": step(
        """
        if self.rates is None:
            self.rates = torch.ones(2).to(self.device)
        return self(batch * self.rates)
        """
    ),
    "a dtype": step("z = torch.zeros(2)\nreturn self(batch + z.to(torch.half))"),
    "noise of a generator": step(
        "z = torch.randn(2, generator=self.generator).to(self.device)\n"
        "return self(batch + z)"
    ),
    "pinned memory": step(
        "z = torch.zeros(2).pin_memory()\n"
        "return self(batch + z.to(self.device, non_blocking=True))"
    ),
    "a device for its kind": module(
        """
        def forward(self, x):
            if x.device.type == "mps":
                return x.to("cpu").sort()[0].to("mps")
            return x.sort()[0]
        """
    ),
    "moving itself": module("def cuda(self, device=0): return super().cuda(device)"),
    "a single number": module(
        """
        def __init__(self):
            super().__init__()
            self.scale = torch.tensor(0.5)

        def forward(self, x):
            return x * self.scale
        """
    ),
    "one number of a table": module(
        """
        def __init__(self):
            super().__init__()
            self.rates = torch.linspace(0, 1, 10)

        def forward(self, x):
            return x * self.rates[self.current_epoch]
        """
    ),
    "a step that only looks": step("self.log('loss', self(batch))").replace(
        "    def training", "    @torch.no_grad()\n    def training"
    ),
    "a base class": module(
        """
        def __init__(self, lr=0.1):
            super().__init__()
            self.lr = lr

        def training_step(self, batch, batch_idx):
            return self(batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr)
        """
    ).replace("class Model", "class BaseModel"),
    "strict=False with its reason": (
        "# strict=False: the head is new\nmodel.load_state_dict(state, strict=False)"
    ),
    "a split that a function was given": (
        "def one(rows):\n    return random_split(rows, [1, 2])\n\n\n"
        "def two(rows):\n    return random_split(rows, [1, 2])\n"
    ),
    "fine-tuning": (
        "def tune(trainer, path):\n"
        "    trainer.fit(Net.load_from_checkpoint(path), loader)\n"
    ),
    "a name given on import": (
        "try:\n    import pytorch_lightning as pl\nexcept ImportError:\n    pl = L\n"
    ),
    "a loss of its own class": step("return {'loss': self(batch)}"),
}


@pytest.mark.parametrize(("practice", "code"), FOUND.values(), ids=FOUND)
def test_it_is_found(found, practice, code):
    assert found(code) == [practice]


@pytest.mark.parametrize(
    "moved", [".cuda()", '.to("cuda")', '.to(torch.device("cuda:0"))']
)
def test_a_new_tensor_on_a_named_gpu_is_two_findings(found, moved):
    plain = step(f"return self(batch + torch.randn(2){moved})")
    assert found(plain) == ["2.1", "2.2"]
    named = step(f"z = torch.randn(2)\nz = z{moved}\nreturn self(batch + z)")
    assert found(named) == ["2.1", "2.2"]


@pytest.mark.parametrize("code", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_it_is_left_alone(found, code):
    assert found(code) == []


def test_a_base_class_in_another_file_is_looked_up(tmp_path):
    (tmp_path / "base.py").write_text(
        HEAD + module("def configure_optimizers(self): return None\n"
                      "def training_step(self, batch, batch_idx): return self(batch)")
    )  # fmt: skip
    (tmp_path / "own.py").write_text(
        "from base import Model\n\n\nclass Own(Model):\n"
        "    def training_step(self, batch, batch_idx):\n"
        "        batch.add_(1)\n        x, y = batch\n        x.add_(1)\n"
        "        return x.sum()\n"
    )
    report, _ = read([tmp_path / "own.py"], beside=[tmp_path / "base.py"])
    assert [(each.practice, each.line) for each in report.findings] == [("12.5", 8)]


def test_what_is_no_python_is_told(tmp_path):
    (tmp_path / "broken.py").write_text("def f(:\n")
    report, _ = read([tmp_path / "broken.py"])
    assert "not Python that can be read, line 1" in report.unasked[0].reason
