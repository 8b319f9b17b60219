"""Hints that are checked: what passes, what is refused, and in which words."""

import inspect
import subprocess
import sys
from typing import Annotated, Optional

import lightning as L
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from course_utils.hardware import quiet_trainer
from course_utils.measure.shapes import ShapeError, checked

NO = torch.ones(())


def function(spec, second="..."):
    @checked
    def call(a: Annotated[Tensor, spec], b: Annotated[Tensor, second] = NO) -> int:
        return 1

    return call


FITS = {
    "a name": ("batch", (3,)),
    "an empty batch": ("batch", (0,)),
    "a number": ("batch 10", (3, 10)),
    "a scalar": ("", ()),
    "one name twice": ("side side", (3, 3)),
    "anything twice": ("_ _", (3, 4)),
    "dots for none": ("... 3", (3,)),
    "dots for two": ("batch ... 3", (5, 1, 2, 3)),
}
REFUSED = {
    "a column for a row": ("batch", (3, 1), "(batch) but got (3, 1)."),
    "another number": ("batch 10", (3, 9), "(batch, 10) but got (3, 9)."),
    "a row for a scalar": ("", (1,), "() but got (1)."),
    "two sizes for one name": ("side side", (3, 4), "(side, side) but got (3, 4)."),
    "too few for dots": ("a b ...", (3,), "(a, b, ...) but got (3)."),
    "another end": ("... 3", (3, 4), "(..., 3) but got (3, 4)."),
}


@pytest.mark.parametrize(("spec", "shape"), FITS.values(), ids=FITS)
def test_a_shape_that_fits_passes(spec, shape):
    assert function(spec)(torch.ones(shape)) == 1


@pytest.mark.parametrize(("spec", "shape", "message"), REFUSED.values(), ids=REFUSED)
def test_a_shape_that_does_not_fit_is_refused(spec, shape, message):
    with pytest.raises(ShapeError) as raised:
        function(spec)(torch.ones(shape))
    assert str(raised.value) == f"Expected `a` to have the shape {message}"


def test_a_name_is_one_size_in_one_call_and_free_in_the_next():
    call = function("batch", "batch 2")
    call(torch.ones(3), torch.ones(3, 2))
    call(torch.ones(4), b=torch.ones(4, 2))
    with pytest.raises(ShapeError) as raised:
        call(torch.ones(3), torch.ones(4, 2))
    assert str(raised.value) == (
        "Expected `b` to have the shape (batch, 2), batch = 3 but got (4, 2)."
    )


def test_the_result_is_checked_against_the_sizes_of_the_arguments():
    @checked
    def mean(a: Annotated[Tensor, "batch n"]) -> Annotated[Tensor, "batch"]:
        return a.mean(0)

    mean(torch.ones(3, 3))
    with pytest.raises(ShapeError, match=r"`return` .* batch = 2 but got \(3\)"):
        mean(torch.ones(2, 3))


def test_a_tuple_is_checked_part_by_part():
    pair = tuple[Annotated[Tensor, "batch 1"], Annotated[Tensor, "batch"]]

    @checked
    def step(batch: pair, batch_idx: int) -> None:
        """Accept a batch."""

    step((torch.ones(2, 1), torch.ones(2)), 0)
    with pytest.raises(ShapeError, match=r"Expected `batch\[1\]` to have the shape"):
        step((torch.ones(2, 1), torch.ones(2, 1)), 0)


def test_what_is_no_tensor_is_refused():
    with pytest.raises(ShapeError, match="Expected `a` to be a tensor but got list"):
        function("batch")([1, 2])


WITHOUT = {
    "plain hints": Tensor,
    "no string": Annotated[Tensor, 3],
    "another type": Annotated[str, "batch"],
}


@pytest.mark.parametrize("hint", WITHOUT.values(), ids=WITHOUT)
def test_nothing_to_check_is_an_error_at_the_definition(hint):
    def call(a: hint) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="Expected a shape in the hints of `call`"):
        checked(call)


UNREADABLE = {
    "optional": Optional[Annotated[Tensor, "batch"]],  # noqa: UP045
    "union": Annotated[Tensor, "batch"] | int,
    "list": list[Annotated[Tensor, "batch"]],
    "tuple of any length": tuple[Annotated[Tensor, "batch"], ...],
    "commas": Annotated[Tensor, "batch, 10"],
    "a sum": Annotated[Tensor, "batch+1"],
}


@pytest.mark.parametrize("hint", UNREADABLE.values(), ids=UNREADABLE)
def test_a_shape_that_cannot_be_checked_is_never_passed_over(hint):
    def call(a: hint) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="of `a`"):
        checked(call)


def test_the_function_keeps_its_name_its_text_and_its_signature():
    @checked
    def loss(a: Annotated[Tensor, ""]) -> Tensor:
        """Return it."""
        return a

    assert (loss.__name__, loss.__doc__) == ("loss", "Return it.")
    assert list(inspect.signature(loss).parameters) == ["a"]


def test_a_trainer_runs_a_checked_step_and_gradients_flow():
    class Net(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        @checked
        def training_step(self, batch: Annotated[Tensor, "batch 2"]) -> Tensor:
            return (self.weight * batch).sum()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1.0)

    module = Net()
    options = quiet_trainer(accelerator="cpu", max_epochs=1)
    L.Trainer(**options).fit(module, DataLoader(torch.ones(4, 2), batch_size=4))
    assert module.weight.item() == 1.0 - 8.0


@pytest.mark.slow
def test_hints_kept_as_text_are_read_too(tmp_path):
    script = tmp_path / "text_hints.py"
    script.write_text(
        "from __future__ import annotations\n"
        "from typing import Annotated\n"
        "import torch\n"
        "from torch import Tensor\n"
        "from course_utils.measure.shapes import checked\n"
        "@checked\n"
        "def call(a: Annotated[Tensor, 'batch']) -> None: ...\n"
        "call(torch.ones(2, 1))\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert run.stderr.endswith("to have the shape (batch) but got (2, 1).\n")
