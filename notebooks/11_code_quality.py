# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 11 · Who tells you about the bug?
#
# A type hint, a docstring, a stored value: each says something about your code. What checks that it is true? In 11.1 and 11.2 the bad and the good version have *the same bug*; they differ in whether you hear of it. In 11.3
# they differ in where a value comes from. By the end you can
#
# - write the shape of a tensor into a hint, have it checked at every call, and say what reads a plain hint;
# - write a docstring with an example that fails when the code changes;
# - tell which values a module may store, and which it must look up.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 30 minutes of reading and running, 23 minutes of exercises. All cells together run in less than half a minute on two CPU cores.
#
# Two sittings: 11.1 and 11.2 first, 11.3 another day.

# %% tags=["setup"]
# Starts the notebook. Opened alone, it first fetches the helpers of the course.
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HELPERS = ""  # where a published copy of this notebook gets the course's helpers
said = "this copy names no place to fetch them from"
if not find_spec("course_utils"):  # opened alone: perhaps in a clone, not installed
    sys.path.append(str(Path("../src").resolve()))
if HELPERS and not find_spec("course_utils"):  # the helpers alone; nothing is replaced
    install = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", HELPERS]
    told = subprocess.run(install, capture_output=True, text=True).stderr.splitlines()
    said = next((line for line in told if "WARNING" not in line), "no word from pip")
    said = said.split(">: ")[-1].strip(" )'")
if not find_spec("course_utils"):
    raise ModuleNotFoundError(
        f"Found no helpers of the course here ({said}): open the "
        "lesson from the course's published copy, with a network; or inside a clone of "
        "the course; or first run `%pip install --no-deps FOLDER_OF_A_CLONE`."
    )
import course_utils

course_utils.start("11", written_for="0.1")

# %%
import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution, try_guard
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

# %% [markdown]
# `ImageDataModule` delivers batches of images, shape `(batch, channel, height, width)`, values from 0 to 1, and labels. It stores bytes; `scaled` turns them into such values. `quiet_trainer()` returns options for a Trainer
# that prints nothing. Folded cells only measure.
#
# The classifier is written as this lesson recommends. Every argument and result has a **type hint**. The **docstring** says what goes in and what comes out, with shapes; its part `Args` says what hints cannot: what an
# argument means.

# %%
data = ImageDataModule(batch_size=64)


class DigitClassifier(L.LightningModule):
    """Images of shape (batch, channel, height, width) to one logit per class.

    Args:
        hidden: Width of the hidden layer.
        learning_rate: Step size of Adam; with a schedule, the highest one.
    """

    def __init__(self, hidden: int = 64, learning_rate: float = 1e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        layers = [nn.Flatten(), nn.Linear(data.num_features, hidden), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        self.head = nn.Linear(hidden, data.num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.parameters(), lr=self.hparams["learning_rate"])


def fit(model: L.LightningModule, *callbacks: L.Callback) -> L.LightningModule:
    trainer = L.Trainer(max_epochs=1, callbacks=[*callbacks], **quiet_trainer())
    trainer.fit(model, datamodule=data)
    return model.cpu()


# %% [markdown]
# ## 11.1 Type hints that are checked
#
# A network sees the left half of an image and predicts the brightness of the right half: its mean in percent, minus the usual mean. Its last layer has one output, so the predictions have the shape `(64, 1)`. The
# brightness of 64 right halves has the shape `(64,)`. The module is fully typed, and takes its loss as an argument.

# %%
from collections.abc import Callable

half = data.image_shape[-1] // 2
usual = 100 * float(scaled(data.train_images)[..., half:].mean())


class BrightnessNet(L.LightningModule):
    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        hidden = nn.Linear(data.num_features // 2, 64)
        self.net = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), nn.Linear(64, 1))
        self.loss = loss

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        left, right = batch[0].chunk(2, dim=-1)
        values = 100 * right.mean((1, 2, 3)) - usual
        return self.loss(self.net(left), values)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.parameters(), lr=0.01)


# %% [markdown]
# **Predict before you run.** R² is the share of the variance that the predictions explain: 1 for perfect ones, 0 for always predicting the mean. With the bad loss below,
#
# - **a** there is no R²: the first batch stops the run, as `(64, 1)` and `(64,)` do not fit;
# - **b** R² is well above 0: the column holds the same 64 numbers in the same order;
# - **c** R² is about 0;
# - **d** R² is far below 0: gradients from wrong pairs drive the predictions apart.

# %% tags=["predict"]
prediction = None  # "a", "b", "c" or "d"

# %% [markdown]
# ### Bad: hints that nothing checks


# %% tags=["bad"]
def plain_hints(preds: Tensor, values: Tensor) -> Tensor:
    return ((preds - values) ** 2).mean()


# %% [markdown]
# ### Good: hints with a shape, checked at every call
#
# `Annotated[Tensor, "batch"]` is a hint with a note: a tensor of shape `(batch,)`. Python ignores the note; the decorator `checked`, a helper of this course, reads it. Within one call the same name stands for the same
# size. `""` is a scalar.

# %% tags=["good"]
from typing import Annotated

from course_utils.measure import checked

PerImage = Annotated[Tensor, "batch"]
Scalar = Annotated[Tensor, ""]


@checked
def checked_hints(preds: PerImage, values: PerImage) -> Scalar:
    return ((preds - values) ** 2).mean()


# %% [markdown]
# ### The contrast
#
# The folded cell does what a programmer does: it trains, and if an error names the fault, it repairs the module and trains again. The repair flattens the predictions to `(64,)`. So the row *R2* compares the bug with its
# *repair*; what the hint is worth is shown in the rows above it.

# %% tags=["apparatus"]
# Trains; if an error names the fault, repairs it and trains again; measures.
from torchmetrics.functional import r2_score

from course_utils.experiments.plots import Lines, PredictedVsTrue
from course_utils.measure import OptimizerSteps, ShapeError, accuracy

left_half, right_half = scaled(data.test_images).chunk(2, dim=-1)
truth = 100 * right_half.mean((1, 2, 3)) - usual


def develop(loss):
    model, error = BrightnessNet(loss), "none"
    with OptimizerSteps() as first_run:
        try:
            fit(model)
        except ShapeError as raised:
            error = str(raised)
    if error != "none":
        model.net.append(nn.Flatten(0))
        fit(model)
    with torch.no_grad():
        answers = model.cpu().net(left_half).flatten()
    return {
        "error in the first run": error,
        "updates in the first run": first_run.count,
        "R2": r2_score(answers, truth),
        "true": truth.round(),
        "predicted": answers,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = PredictedVsTrue(
    "Unchecked, the network predicts the same for every image",
    truth="true",
    answer="predicted",
    x="true brightness [%]",
    y="predicted brightness [%]",
)

# %% tags=["contrast"]
result = contrast(
    "11.1",
    develop,
    bad=plain_hints,
    good=checked_hints,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "a loss that checks the shapes in its hints stops a run with a wrong shape before any update"
claim("11.1", text, result.good["updates in the first run"] == 0)

# %% [markdown]
# **Why.** PyTorch stretches tensors to a common shape, which is called *broadcasting*. `(64, 1) - (64,)` gives `(64, 64)`: every prediction minus every value. The mean of those squares is smallest if every prediction is the mean of
# the batch, and the network learns little else. One pair in 64 is right; smaller batches have a larger share, and hide the bug better. `F.mse_loss` warns of it, arithmetic does not.

# %% tags=["apparatus"]
# What the bug costs; what F.mse_loss says of it; what Python makes of plain hints.
import warnings

text = "in batches of 64, a network whose squared error subtracts (batch,) from (batch, 1) explains next to nothing of the variance"
claim("11.1", text, result.bad["R2"] <= 0.1)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    for size in (64, 64, 64, 56):
        F.mse_loss(torch.zeros(size, 1), torch.zeros(size))
text = "called from one line, F.mse_loss warns of broadcasting once per pair of sizes"
claim("11.1", text, len(caught), equals=2)


def without_hints(preds, values):
    return ((preds - values) ** 2).mean()


ends = set()
for loss in (without_hints, plain_hints):
    torch.manual_seed(0)
    weights = nn.utils.parameters_to_vector(fit(BrightnessNet(loss)).parameters())
    ends.add(weights.detach().numpy().tobytes())
text = "a loss with plain hints and one without train the same weights, bit by bit"
claim("11.1", text, len(ends), equals=1)


# %% [markdown]
# **What reads a plain hint?** Not Python: the last claim shows that it changes nothing. Editors and static checkers such as mypy read it without running the code. And some libraries read hints at run time: dataclasses, PyTorch's
# custom operators, and **`LightningCLI`**, which makes a command line of your `__init__`. Here is our classifier without hints:


# %%
class WithoutHints(DigitClassifier):
    def __init__(self, hidden=64, learning_rate=1e-3):
        super().__init__(hidden, learning_rate)


# %% [markdown]
# The folded cell does what `python train.py --model.hidden=lots` does, with either class. `LightningCLI` needs the package jsonargparse, which `pip install lightning` leaves out; where it is missing, the cell says so.

# %% tags=["apparatus"]
# Gives a command line to LightningCLI, and prints the end of what comes back.
import contextlib
import io
from importlib.util import find_spec

from lightning.pytorch.cli import LightningCLI


def command_line(model_class, *arguments):
    options = {"save_config_callback": None, "trainer_defaults": quiet_trainer()}
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            LightningCLI(model_class, args=[*arguments], run=False, **options)
        except SystemExit:
            return " ".join(said.getvalue().split())
        except TypeError as error:
            return f"TypeError: {error}"
    return "accepted"


if find_spec("jsonargparse") and find_spec("docstring_parser"):
    for each in (DigitClassifier, WithoutHints):
        answer = command_line(each, "--model.hidden=lots").split("error: ")[-1]
        print(f"{each.__name__}: {answer[:70]}")
    text = command_line(DigitClassifier, "--help").split("--model.hidden")[-1]
    print("--help: --model.hidden", text.split("--model.learning")[0])
else:
    print('Not run: this needs `pip install "jsonargparse[signatures]"`.')

# %% [markdown]
# With hints, the command line refuses `lots` and names the argument. Its `--help` takes type and default from the signature and the meaning from `Args`. Without hints, `"lots"` gets as far as a line inside PyTorch that cannot
# use it.
#
# None of these knows a *shape*, which arises only when the code runs; that is why `checked` looks at every call. In your project, use the library that the field uses, [jaxtyping](https://docs.kidger.site/jaxtyping/), with beartype as its
# checker. There a hint reads `Float[Tensor, "batch"]`.
#
# **Scope.** One process or several, CPU or GPU: every process checks its own batches. `LightningCLI` reads hints in Lightning 2.6, if jsonargparse is installed.
#
# **When the bad version is right.** Most hints can stay plain: a number, a path, a loader. Check shapes where tensors from two sources meet: in losses and metrics. And where broadcasting is meant, say so in the hint:
# `Annotated[Tensor, "queries keys"]`.
#
# ### Your turn · Refuse weights that count for nothing
#
# This classifier gives every image of a batch a weight: `1.0` for a label that you trust, `0.1` for a doubtful one. A colleague's loader delivers weights of shape `(batch, 1)`. Then every image counts the same, without a warning.
# Make the module refuse all weights that are not of shape `(batch,)`, with an error, before the optimizer steps. Batches of every size stay welcome, and their loss stays what it is. *(7 minutes)*


# %% tags=["exercise"]
class WeighsImages(DigitClassifier):
    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, labels, reduction="none")
        return (losses * weights).mean()

    def training_step(
        self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int
    ) -> Tensor:
        images, labels, weights = batch
        return self.loss(self(images), labels, weights)


# %%
check("11.1", WeighsImages)

# %% [markdown]
# Stuck? `hint("11.1")` gives a nudge, the second call a bigger one. `solution("11.1")` shows one way to do it, with its reason.

# %%
# hint("11.1")

# %% [markdown]
# ### Take along
#
# A test for the losses and metrics of your project: they must refuse a column of predictions.


# %% tags=["guard"]
def assert_refuses_a_column(loss):
    with contextlib.suppress(RuntimeError, TypeError, ValueError):
        value = loss(torch.zeros(4, 1), torch.zeros(4))
        raise AssertionError(f"(4, 1) and (4,) gave {value}, expected an error")


# %% tags=["apparatus"]
# Tries the guard on both versions.
try_guard(
    "11.1",
    bad=lambda: assert_refuses_a_column(plain_hints),
    good=lambda: assert_refuses_a_column(checked_hints),
)

# %% [markdown]
# ### Going further
#
# **Broadcasting that is meant**, with a hint that says so:


# %%
@checked
def distances(
    queries: Annotated[Tensor, "queries pixels"], keys: Annotated[Tensor, "keys pixels"]
) -> Annotated[Tensor, "queries keys"]:
    return (queries[:, None] - keys[None]).abs().mean(2)


images = scaled(data.test_images).flatten(1)
print("distances:", tuple(distances(images[:5], images[:9]).shape))

# %% [markdown]
# **Today's hints.** `tuple[Tensor, Tensor]` and `dict[str, int]` need no import; `Tuple` and `Dict` from `typing` are outdated. And `configure_optimizers` does not return `Dict[str, Any]`, as older code has it. mypy refuses
# that override, because Lightning's own method promises something narrower. (It also refuses `self.hparams.learning_rate`, whose type allows a plain mapping; `self.hparams["learning_rate"]` passes.) The type to write is the one that
# this lesson uses:

# %%
from typing import get_type_hints

promised = get_type_hints(L.LightningModule.configure_optimizers)["return"]
print("Lightning promises OptimizerLRScheduler:", promised == OptimizerLRScheduler)

# %% [markdown]
# **PyTorch reads plain hints, too.** `torch.library` infers the signature of a custom operator from them. A function without hints has to be given its signature in text:

# %%
from torch.library import infer_schema

print(infer_schema(plain_hints, mutates_args=()))
try:
    infer_schema(without_hints, mutates_args=())
    refused = False
except ValueError:
    refused = True
text = "torch.library refuses to infer the signature of an operator without type hints"
claim("11.1", text, refused)

# %% [markdown]
# ## 11.2 Docstrings that run
#
# You get a network from a colleague. Its docstring says: *return the probability of every class*. It returns logits: the softmax was moved into the loss, and the sentence stayed. You write the loss that belongs to
# probabilities: the negative log of the probability of the right class, with a lower bound to avoid the log of zero:


# %%
class TrainsOnProbabilities(DigitClassifier):
    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        probs = self(images)
        loss = F.nll_loss(probs.clamp(min=1e-6).log(), labels)
        self.log("train_loss", loss)
        return loss


# %% [markdown]
# **Predict.** Your training
#
# - **a** works: logits and probabilities rank the classes alike, so the right class wins either way;
# - **b** runs, its loss falls, and most images are classified wrongly;
# - **c** runs, but the loss does not fall: logits below the bound get no gradient.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: a sentence


# %% tags=["bad"]
class SaysProbabilities(DigitClassifier):
    def forward(self, images: Tensor) -> Tensor:
        """Return the probability of every class, shape (batch, class)."""
        return self.head(self.encoder(images))


# %% [markdown]
# ### Good: a sentence and an example
#
# `>>>` marks code; the line below it is what it should print. The module `doctest` of the standard library finds such lines, runs them, and compares.


# %% tags=["good"]
class ShowsProbabilities(DigitClassifier):
    def forward(self, images: Tensor) -> Tensor:
        """Return the probability of every class, shape (batch, class).

        Example:
            >>> probs = ShowsProbabilities()(torch.rand(4, *data.image_shape))
            >>> torch.allclose(probs.sum(1), torch.ones(4))
            True
        """
        return self.head(self.encoder(images))


# %% [markdown]
# ### The contrast
#
# The folded cells play both parts. The colleague runs the examples, and repairs the network if one fails. Then you train. So the curves compare the bug with its *repair*; what the example is worth is shown in the row *examples
# failed*.

# %% tags=["apparatus"]
# The repaired network: the docstring's promise kept.
import doctest

from course_utils.exercises.lesson_11 import run_examples
from course_utils.measure import MetricCurve


class Repaired(DigitClassifier):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).softmax(1)


Repaired.forward.__doc__ = ShowsProbabilities.forward.__doc__


# %% tags=["apparatus"]
# Runs the examples, repairs the network if one fails, then trains on it.
def publish_and_train(colleagues):
    examples = run_examples(colleagues.forward)
    network = Repaired if examples.failed else colleagues

    class Yours(TrainsOnProbabilities, network):  # your step, the colleague's forward
        pass

    yours, curve = Yours(), MetricCurve("train_loss")
    fit(yours, curve)
    losses = curve.values
    right = accuracy(yours, data.test_images, data.test_labels)
    return {
        "examples run": examples.count,
        "examples failed": examples.failed,
        "first loss": losses[0],
        "last loss": losses[-1],
        "test accuracy": right,
        "lead over guessing": right - 1 / data.num_classes,
        "train loss": losses,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "Both losses fall, but only one network learns to classify",
    "train loss",
    x="update",
    y="negative log of the output",
)

# %% tags=["contrast"]
result = contrast(
    "11.2",
    publish_and_train,
    bad=SaysProbabilities,
    good=ShowsProbabilities,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "the example in a docstring that promises probabilities fails on a network that returns logits"
claim("11.2", text, result.good["examples failed"] == 1)

# %% [markdown]
# **Why.** Probabilities add up to 1, so raising one lowers the others. Logits do not: your loss raises the logit of the right class and lowers none. And a logit below the bound gets no gradient.
#
# The colleague did not notice because the largest logit is also the largest probability: a test of the accuracy passes either way.

# %% tags=["apparatus"]
# What the bug costs; what a test of the accuracy sees; the example after the repair.
kept = result.bad["lead over guessing"] / result.good["lead over guessing"]
text = "after an epoch with its logits taken for probabilities, a network has less than two thirds of the lead over guessing that softmax gives it"
claim("11.2", text, kept <= 0.66)
logits = SaysProbabilities()(scaled(data.test_images))
differ = int((logits.argmax(1) != logits.softmax(1).argmax(1)).sum())
text = "the largest logit and the largest softmax of an untrained network name the same class for every test image"
claim("11.2", text, differ, equals=0)
print("before:", run_examples(ShowsProbabilities.forward).first)
after = run_examples(Repaired.forward, ShowsProbabilities=Repaired)
text = "the example in a docstring that promises probabilities passes once the network returns them"
claim("11.2", text, after.failed, equals=0)

# %% [markdown]
# One sign gives the bug away: the negative log of a probability is never below 0. The commoner bug is the reverse: probabilities go into `F.cross_entropy`, which applies softmax itself. Then the loss stays *high*, even for a perfect
# network:

# %%
perfect = torch.eye(data.num_classes)
print("lowest loss:", F.cross_entropy(perfect, perfect.argmax(1)).item())

# %% [markdown]
# **What to put where.** Types belong in the hints, meanings in `Args`. The docstring says what comes out, and in which shape. If it promises something, an example asks for *that*: `probs.shape` would have passed here.
# `pytest --doctest-modules` runs the examples of a project with its tests, as this course does.
#
# **Scope.** CPU, one process, seconds: doctest needs neither Trainer nor GPU. It compares printed text, so an example states a fixed case, or a property that holds for any random numbers, as the one above does.
#
# **When the bad version is right.** What an argument is for, what an experiment found, where a formula comes from: that stays prose. And an example has a price: it runs with every test.
#
# ### Your turn · An example that no wrong version passes
#
# The function below is right. Its example is weak: it asks for the shape only. Rewrite the examples so that all pass with this function, and at least one fails with each wrong version of it. The check tries seven of those, and a right one
# that is written differently. Leave the code as it is. *(8 minutes)*


# %% tags=["exercise"]
def top_labels(logits: Tensor, k: int) -> Tensor:
    """Return the labels of the k largest logits of each image, the largest first.

    Example:
        >>> top_labels(torch.zeros(2, 10), 3).shape
        torch.Size([2, 3])
    """
    return logits.topk(k, dim=1).indices


# %%
check("11.2", top_labels)

# %%
# hint("11.2")

# %% [markdown]
# ### Take along
#
# A test that a docstring has examples and that they pass.


# %% tags=["guard"]
def assert_examples_pass(thing, **names):
    examples = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder().find(thing, extraglobs=names):
        examples.run(test, out=lambda text: None)
    assert examples.tries, f"{thing.__qualname__} has no example"
    assert not examples.failures, f"{examples.failures} of {examples.tries} failed"


# %% tags=["apparatus"]
# Tries the guard on the bad version and on the repaired one.
try_guard(
    "11.2",
    bad=lambda: assert_examples_pass(SaysProbabilities.forward),
    good=lambda: assert_examples_pass(Repaired.forward, ShowsProbabilities=Repaired),
)

# %% [markdown]
# ### Going further
#
# **An example that fails although the code is right.** The first one compares two numbers drawn at random, the second a small input whose answer you know:


# %%
def spread(images):
    """Return the standard deviation of all pixels.

    Example:
        >>> spread(torch.rand(2, 1, 28, 28)) == spread(torch.rand(2, 1, 28, 28))
        tensor(True)
        >>> spread(torch.tensor([1.0, 3.0, 5.0]))
        tensor(2.)
    """
    return images.std()


examples = run_examples(spread)
print("examples:", examples.count, "failed:", examples.failed)

# %% [markdown]
# **The examples of a module.** This is the one that holds `checked`:

# %%
from course_utils.measure import shapes

print(doctest.testmod(shapes))

# %% [markdown]
# **Second sitting.** Run all cells above once more; 11.3 uses `data`, `fit` and `DigitClassifier`.
#
# ## 11.3 Properties instead of stale attributes
#
# A property is a method that is read like an attribute: it is computed whenever it is read. An attribute set in `__init__` keeps what it got there.
#
# This module trains with a one-cycle schedule, which raises the learning rate and then lowers it almost to zero. `trainable` says which tensors the optimizer gets; the two versions below differ in where that comes from.


# %%
class OneCycle(DigitClassifier):
    def configure_optimizers(self) -> OptimizerLRScheduler:
        peak = self.hparams["learning_rate"]
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = torch.optim.Adam(self.trainable, lr=peak)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, steps)
        return [optimizer], [{"scheduler": cycle, "interval": "step"}]


# %% [markdown]
# Then the model is reused in the usual way, with a frozen encoder and a new head:


# %%
def reuse(model):
    model.encoder.requires_grad_(False)
    model.head = nn.Linear(64, data.num_classes)


# %% [markdown]
# **Predict.** `__init__` stored `trainable` as a list, before that. Now the model is trained for an epoch.
#
# - **a** The run ends normally, and not one weight has changed.
# - **b** Lightning stops with an error: the optimizer holds tensors that are frozen, or no longer part of the model.
# - **c** The new head is trained: Python stores references to the layers, not copies.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# ### Bad: stored in `__init__`


# %% tags=["bad"]
class StoresIt(OneCycle):
    def __init__(self, learning_rate: float = 1e-3) -> None:
        super().__init__(learning_rate=learning_rate)
        self.trainable = [p for p in self.parameters() if p.requires_grad]


# %% [markdown]
# ### Good: looked up whenever it is read


# %% tags=["good"]
class LooksItUp(OneCycle):
    @property
    def trainable(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]


# %% [markdown]
# ### The contrast
#
# The folded cell reuses each version, with the encoder as initialized, and trains it for one epoch. It measures how far the new head moves, and compares the weights that `trainable` reports with those that changed.

# %% tags=["apparatus"]
# Trains a reused version; measures how far the head moves and what was trained.
from torch.nn.utils import parameters_to_vector


class TracksTheHead(L.Callback):
    def on_train_start(self, trainer, pl_module):
        self.start = parameters_to_vector(pl_module.head.parameters()).detach()
        self.moved = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        now = parameters_to_vector(pl_module.head.parameters()).detach()
        self.moved.append((now - self.start).norm().cpu())


def train_reused(module_class):
    model, track = module_class(learning_rate=0.01), TracksTheHead()
    reuse(model)
    before = [p.detach().clone() for p in model.parameters()]
    fit(model, track)
    pairs = list(zip(before, model.parameters(), strict=True))
    return {
        "trainable weights, reported": sum(p.numel() for p in model.trainable),
        "weights in tensors that changed": sum(
            new.numel() for old, new in pairs if not torch.equal(old, new)
        ),
        "test accuracy": accuracy(model, data.test_images, data.test_labels),
        "distance of the head": track.moved,
    }


# %% tags=["apparatus"]
# The figure of the contrast.
plot = Lines(
    "With a stored list, the new head stays where it was",
    "distance of the head",
    x="update",
    y="distance of the head",
)

# %% tags=["contrast"]
result = contrast(
    "11.3",
    train_reused,
    bad=StoresIt,
    good=LooksItUp,
    prediction=prediction,
    figure=plot,
)

# %% tags=["claim"]
text = "an optimizer given a list of tensors stored before the encoder was frozen and the head replaced changes no weight"
claim("11.3", text, result.bad["weights in tensors that changed"] == 0)

# %% [markdown]
# **Why.** The stored list holds references, so it follows changes *in* a tensor. But freezing changes which tensors belong in the list, and the new head brings tensors that never were in it. The optimizer skips tensors without
# gradients, and Lightning says nothing: an optimizer may hold any tensors. What `__init__` computes from the module can go stale in the same way: a count of weights, a size in bytes, a list of layers.
#
# **A property can be stale, too.** It is computed whenever it is read, but from what? Two properties for the learning rate:


# %%
class ReportsTheSetting(LooksItUp):
    @property
    def learning_rate(self) -> float:  # "current learning rate"
        return self.hparams["learning_rate"]


class ReportsTheOptimizer(LooksItUp):
    @property
    def current_lr(self) -> float:  # of the next update
        return self.optimizers().param_groups[0]["lr"]


# %% [markdown]
# The folded cells compare either one with the rate that every update used. Then they run the learning-rate finder, `lr_find`, on both modules. Unless you pass `attr_name`, it assigns its result to the attribute `lr` or
# `learning_rate` of the module, or of its `hparams`.

# %% tags=["apparatus"]
# Compares reported and applied rates; then asks whether lr_find works.
from tempfile import TemporaryDirectory

from lightning.pytorch.tuner import Tuner

from course_utils.measure import AppliedRates


class ReadsARate(L.Callback):
    def __init__(self, name):
        self.name, self.values = name, []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.values.append(getattr(pl_module, self.name))


def reported_and_applied(module_class, name):
    reader = ReadsARate(name)
    with AppliedRates() as applied:
        fit(module_class(), reader)
    return reader.values, applied.values


def lr_find_works(module_class):
    with TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        tuner = Tuner(L.Trainer(**quiet_trainer(max_epochs=1, default_root_dir=folder)))
        try:
            tuner.lr_find(module_class(), data, num_training=20)
        except AttributeError:
            return False
    return True


# %% tags=["apparatus"]
# The claims about counts and rates.
text = "a list of tensors stored in __init__ still counts the weights of an encoder frozen later"
claim("11.3", text, result.times("trainable weights, reported") >= 50)
said, used = reported_and_applied(ReportsTheSetting, "learning_rate")
text = (
    "under a one-cycle schedule, hparams.learning_rate ends far above the rate applied"
)
claim("11.3", text, said[-1] / used[-1], at_least=1000)
said, used = reported_and_applied(ReportsTheOptimizer, "current_lr")
wrong = sum(abs(a - b) > 1e-6 * b for a, b in zip(said, used, strict=True))
text = "under a one-cycle schedule, a property that reads the optimizer reports the rate of every update"
claim("11.3", text, wrong, equals=0)
text = "lr_find fails on a module whose learning_rate is a property without a setter"
claim("11.3", text, not lr_find_works(ReportsTheSetting))
text = (
    "lr_find works on a module that reports the applied rate as the property current_lr"
)
claim("11.3", text, lr_find_works(ReportsTheOptimizer))

# %% [markdown]
# `hparams.learning_rate` is what you *ask for*, here the peak. What is *applied* lives in the optimizer. So give them different names: the setting can be assigned, the property `current_lr` is read only.
#
# **Scope.** One process or several, CPU or GPU. With `16-mixed` the bad version stops: "No inf checks were recorded". Under FSDP or DeepSpeed a process holds only a part of the weights, and counting needs care. `current_lr` as written needs a Trainer that trains, one optimizer and one rate for all its weights; `lr_find` as in Lightning 2.6.
#
# **When the bad version is right.** Store what cannot change, such as the size of an image, and a past value that you want to keep, under a name that says so: `initial_rate`. A property that computes a lot hides its cost; make it a
# method, `model.weight_norm()`.
#
# ### Your turn · Two numbers that stay true
#
# `size_in_bytes` is the memory of all parameters and buffers; `current_lr` is the rate of the next update, and `None` where there is no optimizer: without a Trainer, or while one only predicts. Make both true at any time: after
# `half()`, with a different head, in training and before it. `lr_find` must still work. *(8 minutes)*


# %% tags=["exercise"]
class KnowsItself(LooksItUp):
    def __init__(self, learning_rate: float = 1e-3) -> None:
        super().__init__(learning_rate=learning_rate)
        self.size_in_bytes = 4 * sum(p.numel() for p in self.parameters())
        self.current_lr = None


# %%
check("11.3", KnowsItself)

# %%
# hint("11.3")

# %% [markdown]
# ### Take along
#
# A callback that stops a run if a tensor that can be trained is in no optimizer.


# %% tags=["guard"]
class OptimizesTheModel(L.Callback):
    def on_fit_start(self, trainer, pl_module):
        groups = [g for each in trainer.optimizers for g in each.param_groups]
        held = {id(p) for group in groups for p in group["params"]}
        due = {id(p) for p in pl_module.parameters() if p.requires_grad}
        assert due <= held, f"no optimizer holds {len(due - held)} trainable tensors"


# %% tags=["apparatus"]
# Tries the guard on both versions.
def fit_reused(module_class):
    model = module_class()
    reuse(model)
    fit(model, OptimizesTheModel())


try_guard("11.3", bad=lambda: fit_reused(StoresIt), good=lambda: fit_reused(LooksItUp))

# %% [markdown]
# ### Going further
#
# **A typo inside a property.** Which name would you look for after this message?


# %% tags=["raises-exception"]
class HasATypo(LooksItUp):
    @property
    def weights_in_head(self):
        return sum(p.numel() for p in self.haed.parameters())


HasATypo().weights_in_head

# %% [markdown]
# The property is there, and the message says that it is not. If a property raises an `AttributeError`, Python asks the module's `__getattr__` for the name that you wanted, and PyTorch's knows only parameters, buffers and submodules.
# Call the function behind the property to get the real message:

# %% tags=["raises-exception"]
HasATypo.weights_in_head.fget(HasATypo())

# %% [markdown]
# **What a property costs.** Listing tensors computes nothing. The norm of all weights does:

# %%
from course_utils.measure import Operations


class KnowsItsNorm(LooksItUp):
    @property
    def weight_norm(self):
        return parameters_to_vector(self.parameters()).norm()


model = KnowsItsNorm()
for name in ("trainable", "weight_norm"):
    with Operations() as operations:
        getattr(model, name)
    print(f"{name}: computes something:", operations.counts.total() > 0)

# %% [markdown]
# ## Symptoms
#
# What you see at work, and where to look:
#
# | You see | Look at |
# |---|---|
# | a regression network predicts nearly the same for every input | 11.1 |
# | an argument of the command line arrives as text | 11.1 |
# | a loss that is the negative log of a probability falls below zero | 11.2 |
# | a cross-entropy stays far above zero although the accuracy is high | 11.2 |
# | after a new head was put in, the training loss does not fall | 11.3 |
# | the logged learning rate is constant although there is a schedule | 11.3 |
# | "object has no attribute" names a property that is there | 11.3 |
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Where tensors from two sources meet, shapes are checked, by hints or by a plain `if`.
# - [ ] Arguments and results have plain hints. I know what reads them: my editor, a static checker, `LightningCLI`; not Python.
# - [ ] A class docstring explains its arguments under `Args`; a docstring that promises something shows an example that fails when the promise is broken.
# - [ ] The examples run with the tests: `pytest --doctest-modules`.
# - [ ] What can change is looked up where it lives: parameters in the module, the rate in the optimizer.
# - [ ] What is asked for and what is applied have different names: `hparams.learning_rate`, `current_lr`.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-11).
#
# **Sources** Python's documentation on [annotations](https://docs.python.org/3/library/typing.html) and [doctest](https://docs.python.org/3/library/doctest.html); PyTorch's on
# [broadcasting](https://docs.pytorch.org/docs/stable/notes/broadcasting.html); [jaxtyping](https://docs.kidger.site/jaxtyping/); Lightning's on
# [LightningCLI](https://lightning.ai/docs/pytorch/stable/cli/lightning_cli.html) and [the learning-rate finder](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html); MNIST by LeCun, Cortes and Burges.
#
# Settings and what is saved of them come from [3.1](03_hyperparameters.ipynb), schedules from [lesson 08](08_training_stability.ipynb), frozen encoders from [1.3](01_code_organization.ipynb). Next:
# [lesson 12](12_common_pitfalls.ipynb), or look at the [solutions](../solutions/11_code_quality.ipynb) of this one.

# %% tags=["own-code"]
# This lesson's questions, asked of your own code: name it in place of None.
my_module, my_data = None, None  # "my_package.model:MyModel", "my_package.data:MyData"
course_utils.check_my(my_module, my_data, select="11.*")
