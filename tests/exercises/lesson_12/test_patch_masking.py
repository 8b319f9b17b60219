"""Which pixels does a network not see, and does the loss know them?"""

import pytest
import torch
from learner import answer, denoiser

from course_utils.checks.learner_code import CannotCheck
from course_utils.exercises.lesson_12.patch_masking import hides_a_patch

BODY = """
def training_step(self, batch, batch_idx):
    images, _ = batch
    row, column = {place}
    patched = images.clone()
    patched[:, :, row : row + {size}, column : column + {size}] = {fill}
    return F.mse_loss(self({seen}), {target}.flatten(1))
"""
GOOD = {
    "place": "torch.randint(0, 20, (2,)).tolist()",
    "size": "8",
    "fill": "0",
    "seen": "patched",
    "target": "images",
}


def _verdicts(init: str = "", **changes: str) -> list[bool | None]:
    module = answer(denoiser(BODY.format(**{**GOOD, **changes}), init))()
    return [finding.ok for finding in hides_a_patch(module)]


@pytest.mark.parametrize("fill", ["0", "1", "0.5", "images.mean()", "torch.rand(1)"])
def test_any_filling_hides(fill):
    assert _verdicts(fill=fill) == [True, True, True]


@pytest.mark.parametrize(("size", "ok"), [("2", False), ("3", True), ("8", True)])
def test_a_patch_has_nine_pixels_or_more(size, ok):
    assert _verdicts(size=size)[0] is ok


@pytest.mark.parametrize("seen", ["2 * patched - 1", "patched + torch.rand(28, 28)"])
def test_what_else_happens_to_the_pixels_does_not_matter(seen):
    assert _verdicts(seen=seen) == [True, True, True]


def test_an_image_hidden_altogether_has_no_patch():
    assert _verdicts(seen="patched * 0")[0] is False


def test_every_step_has_to_hide():
    assert _verdicts(seen="patched if batch_idx == 0 else images")[0] is False


def test_a_fixed_place_does_not_move():
    assert _verdicts(place="(5, 5)") == [True, False, True]


def test_a_generator_of_ones_own_moves_the_patch():
    init = "self.rng = np.random.default_rng()"
    assert _verdicts(init, place="self.rng.integers(0, 20, 2)") == [True, True, True]


@pytest.mark.parametrize("fill", ["0", "images.mean()"])
def test_a_target_with_the_hole_does_not_know_the_hidden_pixels(fill):
    assert _verdicts(target="patched", fill=fill) == [True, True, False]


def test_a_network_that_is_no_module_cannot_be_watched():
    source = """
class Own(L.LightningModule):
    def training_step(self, batch, batch_idx):
        return batch[0].mean().requires_grad_()
"""
    with pytest.raises(CannotCheck, match=r"call yours as self\(images\)"):
        hides_a_patch(answer(source)())


def test_a_network_keeps_its_weights_when_it_is_asked():
    module = answer(denoiser(BODY.format(**GOOD)))()
    before = [p.clone() for p in module.parameters()]
    hides_a_patch(module)
    assert all(map(torch.equal, before, module.parameters()))
