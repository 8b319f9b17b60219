"""LightningCLI reads plain type hints and Args, as lesson 11 says."""

import lightning as L
import pytest
from lightning.pytorch.cli import LightningCLI
from torch import nn

from course_utils.hardware import quiet_trainer

pytest.importorskip("jsonargparse")
pytest.importorskip("docstring_parser")


class Hinted(L.LightningModule):
    """One layer.

    Args:
        hidden: Width of the hidden layer.
    """

    def __init__(self, hidden: int = 4) -> None:
        super().__init__()
        self.layer = nn.Linear(2, hidden)


class Unhinted(Hinted):
    def __init__(self, hidden=4):
        super().__init__(hidden)


def build(model_class, *arguments):
    options = {"save_config_callback": None, "trainer_defaults": quiet_trainer()}
    return LightningCLI(model_class, args=[*arguments], run=False, **options).model


def test_a_hint_makes_a_number_of_the_text_or_refuses_it(capsys):
    assert build(Hinted, "--model.hidden=7").layer.out_features == 7
    with pytest.raises(SystemExit):
        build(Hinted, "--model.hidden=lots")
    assert "Got value: lots" in capsys.readouterr().err


def test_without_a_hint_the_text_reaches_the_layer():
    with pytest.raises(TypeError, match="size"):
        build(Unhinted, "--model.hidden=lots")


def test_the_help_shows_what_args_says(capsys):
    with pytest.raises(SystemExit):
        build(Hinted, "--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "Width of the hidden layer. (type: int, default: 4)" in said
