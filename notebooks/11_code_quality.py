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
# A type hint, a docstring, an attribute: each of them says something about your code. Who checks that it is true? In this lesson three modules are not
# what they seem. In the first two practices, bad and good version have *the same bug*: what differs is whether anybody hears of it. In the third, they differ in where a number comes from. At the end you can
#
# - write the shape of a tensor into a hint, and have it checked at each call;
# - put an example into a docstring that fails when the code changes its mind;
# - tell which numbers a module may store, and which it must look up each time.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 25 minutes of reading and running, 23 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("11", written_for="0.1")

# %%
import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import check, claim, contrast, hint, solution
from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer

digits = ImageDataModule(batch_size=64)

# %% [markdown]
# The data module delivers batches of images and labels; images have the shape `(batch, channel, height, width)` and values from 0 to 1 (a loader alone delivers bytes; `scaled` makes them floats). `quiet_trainer()` holds the
# options that keep a Trainer silent.
#
# ## 11.1 Type hints that are checked
#
# A network reads a digit and answers with a *number*: for a seven, something near 7.0. That is regression. Its last layer has one output, so predictions have the shape
# `(64, 1)`. The labels have the shape `(64,)`. The loss is a method with hints,
#
# `squared_error(self, preds: Tensor, values: Tensor) -> Tensor`
#
# and a popular list of tips says that such hints prevent errors.
#
# **Predict before you run.** Training
#
# - **a** stops in the first batch: the two shapes do not fit;
# - **b** works: PyTorch lines up 64 predictions with 64 labels;
# - **c** runs to the end, and the network answers nearly the same for every digit.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class ReadsNumbers(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to numbers, shape (batch, 1)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = self.squared_error(self.net(images), labels.float())
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ### Bad: hints that nobody reads


# %% tags=["bad"]
class PlainHints(ReadsNumbers):
    def squared_error(self, preds: Tensor, values: Tensor) -> Tensor:
        return ((preds - values) ** 2).mean()


# %% [markdown]
# ### Good: hints with a shape, checked at the call
#
# `Annotated[Tensor, "batch"]` is a hint with a note: a tensor, and its shape is `(batch,)`. Python ignores the note. The decorator `checked` reads it. In one call, the same name
# stands for the same size; `""` is a scalar.

# %% tags=["good"]
from typing import Annotated

from course_utils.measure import ShapeError, checked

PerImage = Annotated[Tensor, "batch"]
Scalar = Annotated[Tensor, ""]


class CheckedHints(ReadsNumbers):
    @checked
    def squared_error(self, preds: PerImage, values: PerImage) -> Scalar:
        return ((preds - values) ** 2).mean()


# %% [markdown]
# ### The contrast
#
# `develop` does what a programmer does: train, and if an error names the fault, repair it and train again. The repair turns `(64, 1)` into `(64,)`. `OptimizerSteps` counts
# the updates of the first run. R² is 1 for a perfect reader, and 0 for one that always answers the mean.

# %%
from torchmetrics.functional import r2_score

from course_utils.experiments.plots import PredictedVsTrue
from course_utils.measure import MetricCurve, OptimizerSteps


def fit(model, data=digits):
    curve = MetricCurve("train_loss")
    L.Trainer(max_epochs=1, callbacks=[curve], **quiet_trainer()).fit(model, data)
    return curve.values


# %%
def develop(model):
    error = "none"
    with OptimizerSteps() as first_run:
        try:
            losses = fit(model)
        except ShapeError as raised:
            error = str(raised)
    if error != "none":
        model.net.append(nn.Flatten(0))
        losses = fit(model)
    with torch.no_grad():
        answers = model.cpu().net(scaled(digits.test_images)).flatten()
    return {
        "error in the first run": error,
        "updates in the first run": first_run.count,
        "first loss": losses[0],
        "last loss": losses[-1],
        "R2": r2_score(answers, digits.test_labels.float()),
        "digit": digits.test_labels,
        "answer": answers,
    }


# %% tags=["contrast"]
result = contrast(
    "11.1",
    bad=lambda: develop(PlainHints()),
    good=lambda: develop(CheckedHints()),
    prediction=prediction,
    figure=PredictedVsTrue(
        "Unchecked, the network answers much the same for every digit",
        truth="digit",
        answer="answer",
        x="digit in the test image",
        y="answer of the network",
    ),
)

# %% tags=["claim"]
claim(
    "11.1",
    "the checked hint is worth at least 0.35 of R2",
    result.gain("R2"),
    at_least=0.35,
)
claim(
    "11.1",
    "unchecked, R2 stays below 0.1",
    result.bad.number("R2"),
    at_most=0.1,
)
claim(
    "11.1",
    "the checked hint speaks before the first update",
    result.good.number("updates in the first run"),
    equals=0,
)

# %% [markdown]
# **Why.** PyTorch may stretch tensors to a common shape, which is called *broadcasting*. `(64, 1) - (64,)` gives `(64, 64)`: each prediction minus each label. Its mean square is smallest if
# every prediction is the mean of all labels. So that is what the network learns, and its loss falls on the way.
#
# (`F.mse_loss` warns about it, once. Arithmetic says nothing.)
#
# **What a plain hint does.** Python stores it. Nothing else happens at run time, and the next cell shows it: the same training with no hints, with plain ones, and with shapes that nobody
# checks.


# %%
class NoHints(ReadsNumbers):
    def squared_error(self, preds, values):
        return ((preds - values) ** 2).mean()


class UncheckedShapes(ReadsNumbers):
    def squared_error(self, preds: PerImage, values: PerImage) -> Scalar:
        return ((preds - values) ** 2).mean()


# %%
batches = [batch for batch, _ in zip(digits.train_dataloader(), range(20))]
batches = [(scaled(images), labels) for images, labels in batches]
start = NoHints().state_dict()
ends = set()
for model_class in (NoHints, PlainHints, UncheckedShapes):
    model = model_class()
    model.load_state_dict(start)
    fit(model, torch.utils.data.DataLoader(batches, batch_size=None))
    weights = nn.utils.parameters_to_vector(model.cpu().parameters())
    ends.add(weights.detach().numpy().tobytes())

print("different models:", len(ends))
claim("11.1", "three kinds of hints train one and the same model", len(ends), equals=1)

# %% [markdown]
# So who reads plain hints? Your editor, your colleagues, and static checkers such as mypy, which read code without running it. For them, write what is true today: `tuple[Tensor, Tensor]`, since
# `Tuple` and `Dict` from `typing` are outdated. And `configure_optimizers` does not return `Dict[str, Any]`, as the list has it. mypy rejects that: it promises less than Lightning's own
# method, which has a type for it:

# %%
from typing import get_type_hints

from lightning.pytorch.utilities.types import OptimizerLRScheduler

promised = get_type_hints(L.LightningModule.configure_optimizers)["return"]
print("Lightning promises OptimizerLRScheduler:", promised == OptimizerLRScheduler)

# %% [markdown]
# A static checker knows that both arguments are tensors. Their shapes it cannot know: they arise when the code runs. That is the gap which `checked` closes, a small helper of this
# course. In a project of yours, use the library of the field, jaxtyping, with beartype as its checker. It knows data types, too. There the method above reads like this (not run here, as
# the course does without both):
#
# ```python
# @jaxtyped(typechecker=beartype)
# def squared_error(
#     self, preds: Float[Tensor, "batch"], values: Float[Tensor, "batch"]
# ) -> Float[Tensor, ""]:
#     return ((preds - values) ** 2).mean()
# ```
#
# **When the bad version is right.** Most hints can stay plain: a number, a path, a loader. Check shapes where tensors from two sources meet: in losses and metrics. And broadcasting is no
# enemy. The distance of each image from each other one *is* a difference of that kind. Then say so in the hint:


# %%
@checked
def distances(
    queries: Annotated[Tensor, "queries pixels"], keys: Annotated[Tensor, "keys pixels"]
) -> Annotated[Tensor, "queries keys"]:
    return (queries[:, None] - keys[None]).abs().mean(2)


images = scaled(digits.test_images).flatten(1)
print("distances:", tuple(distances(images[:5], images[:9]).shape))

# %% [markdown]
# ### Your turn · Refuse weights that count for nothing
#
# This classifier gives each image of a batch a weight: `1.0` for a clean scan, `0.1` for a doubtful one. A colleague's loader delivers weights of shape `(batch, 1)`. Then every image
# counts the same, and nobody is told. Make the module refuse any weights that are not of shape `(batch,)`, with an error, before the optimizer steps. Batches of every size stay
# welcome, and their loss stays what it is. *(7 minutes)*


# %%
class DigitClassifier(L.LightningModule):
    """One hidden layer: images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, images):
        return self.net(images)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


# %% tags=["exercise"]
class WeighsImages(DigitClassifier):
    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, labels, reduction="none")
        return (losses * weights).mean()

    def training_step(self, batch, batch_idx):
        images, labels, weights = batch
        return self.loss(self(images), labels, weights)


# %%
check("11.1", WeighsImages)

# %% [markdown]
# Stuck? `hint("11.1")` gives a nudge, the second call a bigger one. `solution("11.1")` shows one way to do it, with its reason.

# %%
# hint("11.1")

# %% [markdown]
# ## 11.2 Docstrings that run
#
# You get a network from a colleague. Its docstring says: *return the probability of each digit*. It returns logits: the softmax was moved into the loss last spring, and the sentence stayed. You read
# the sentence and write the loss that belongs to probabilities, the negative log of the probability of the right digit. As anybody would, you guard against the log of zero:
#
# `F.nll_loss(probs.clamp(min=1e-6).log(), labels)`
#
# **Predict.** Your training
#
# - **a** works: logits and probabilities rank the digits alike, so the right digit wins either way;
# - **b** runs, its loss falls, and most digits are read wrongly;
# - **c** shows `nan` at once: the log of a negative number.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class Network(nn.Module):
    """One hidden layer; the last layer gives logits."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)
        )


# %% [markdown]
# ### Bad: a sentence


# %% tags=["bad"]
class SaysProbabilities(Network):
    def forward(self, images):
        """Return the probability of each digit, shape (batch, 10)."""
        return self.net(images)


# %% [markdown]
# ### Good: a sentence and an example
#
# What stands after `>>>` is Python, what follows is what it prints. The module `doctest` of the standard library finds such lines, runs them, and compares.


# %% tags=["good"]
class ShowsProbabilities(Network):
    def forward(self, images):
        """Return the probability of each digit, shape (batch, 10).

        Example:
            >>> probs = ShowsProbabilities()(torch.rand(4, 1, 28, 28))
            >>> torch.allclose(probs.sum(1), torch.ones(4))
            True
        """
        return self.net(images)


# %% [markdown]
# ### The contrast
#
# `publish` is the author's part: run the examples, and if one fails, repair the code. `run_examples` calls `doctest` and counts. `TrainsOnProbabilities` is your part, and the same on both
# sides.

# %%
from course_utils.exercises.lesson_11 import run_examples
from course_utils.experiments.plots import Lines
from course_utils.measure import accuracy


class TrainsOnProbabilities(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        probs = self(images)
        loss = F.nll_loss(probs.clamp(min=1e-6).log(), labels)
        self.log("train_loss", loss)
        return loss


# %%
def publish(network):
    examples = run_examples(type(network).forward)
    if examples.failed:
        network.net.append(nn.Softmax(dim=1))
    return examples


def publish_and_train(network):
    examples = publish(network)
    yours = TrainsOnProbabilities()
    yours.net = network
    losses = fit(yours)
    return {
        "examples run": examples.count,
        "examples failed": examples.failed,
        "first loss": losses[0],
        "last loss": losses[-1],
        "accuracy": accuracy(yours.cpu(), digits.test_images, digits.test_labels),
        "train loss": losses,
    }


# %% tags=["contrast"]
result = contrast(
    "11.2",
    bad=lambda: publish_and_train(SaysProbabilities()),
    good=lambda: publish_and_train(ShowsProbabilities()),
    prediction=prediction,
    figure=Lines(
        "Both losses fall; only one belongs to a network that reads digits",
        "train loss",
        x="batch",
        y="negative log of the output",
    ),
)

# %% tags=["claim"]
claim(
    "11.2",
    "a sentence that is not true costs at least 40 points of accuracy",
    result.gain("accuracy"),
    at_least=0.4,
)
claim(
    "11.2",
    "the example fails before anybody trains",
    result.good.number("examples failed"),
    equals=1,
)

# %% [markdown]
# **Why.** Probabilities compete: they add up to 1, so raising one lowers the others. Logits do not. Your loss pushes the right digit's logit up, and nothing pushes the others down. And as long as a logit lies
# below the guard, it gets no gradient at all: its digit is not learned.
#
# One sign gives it away, if you know it: the negative log of a probability is never below 0. If such a loss falls below 0, something other than probabilities went in.
#
# **Why the author did not notice.** With logits or probabilities, the largest is the largest. A test of the accuracy passes in both cases:

# %%
logits = DigitClassifier()(scaled(digits.test_images))
differ = logits.argmax(1) != logits.softmax(1).argmax(1)
print("answers that differ:", int(differ.sum()))
print(run_examples(ShowsProbabilities.forward).first)

# %% [markdown]
# An example is only as good as what it asks. `probs.shape` would have passed, too. Ask for what makes the sentence true: probabilities add up to 1.
#
# Somebody must run the examples. `python -m doctest file.py` runs those of a file, `pytest --doctest-modules` those of a project together with its tests. This course does so. Here is a module of its own:

# %%
import doctest

from course_utils.measure import shapes

print(doctest.testmod(shapes))

# %% [markdown]
# **When the bad version is right.** Not everything can be shown in three lines: what an argument is for, what an experiment found, where a formula comes from. That stays prose. And an example costs
# something: it runs each time, and it compares *text*. One that depends on random numbers fails although nothing is wrong with the function:


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
# The second kind is the one to write: a small input whose answer you know by heart.
#
# ### Your turn · An example that no wrong version passes
#
# The function below is right. Its example is weak: it asks for the shape only. Rewrite the examples so that they pass with this function, and with no wrong version of it. The check
# tries seven of those, and a right one that is written in another way. Leave the code as it is. *(8 minutes)*


# %% tags=["exercise"]
def top_labels(logits, k):
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
# ## 11.3 Properties instead of stale attributes
#
# A property is a method that is read like an attribute, so it is computed anew each time. The same list of tips offers this one, with the docstring *current learning rate*:
#
# `return self.hparams.learning_rate`
#
# You train with a schedule, `OneCycleLR`, which raises the rate and then lowers it almost to zero.
#
# **Predict.** Asked in each step, the property says
#
# - **a** one and the same number throughout the run;
# - **b** the rate of each update: it is computed each time;
# - **c** the rate of the *next* update, as the scheduler is one step ahead.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %% [markdown]
# The module asks itself two things in each step: its learning rate, and how many weights it trains. The two versions below answer.


# %%
class SchedulesItsRate(L.LightningModule):
    """An encoder and a head: images of shape (batch, 1, 28, 28) to logits."""

    def __init__(self, learning_rate=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU())
        self.head = nn.Linear(64, 10)

    def forward(self, images):
        return self.head(self.encoder(images))

    def configure_optimizers(self):
        peak = self.hparams.learning_rate
        steps = self.trainer.estimated_stepping_batches
        optimizer = torch.optim.Adam(self.parameters(), lr=peak)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, int(steps))
        return [optimizer], [{"scheduler": cycle, "interval": "step"}]


# %%
class TellsOddFromEven(SchedulesItsRate):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.log("rate", self.learning_rate)
        self.log("trained weights", float(self.trained_weights))
        return F.cross_entropy(self(images), labels % 2)


# %% [markdown]
# ### Bad: notes, one of them in the form of a property


# %% tags=["bad"]
class KeepsNotes(TellsOddFromEven):
    def __init__(self, learning_rate=0.01):
        super().__init__(learning_rate)
        params = self.parameters()
        self.trained_weights = sum(p.numel() for p in params if p.requires_grad)

    @property
    def learning_rate(self):
        """Current learning rate."""
        return self.hparams.learning_rate


# %% [markdown]
# ### Good: properties that look at the thing itself


# %% tags=["good"]
class LooksEachTime(TellsOddFromEven):
    @property
    def trained_weights(self):
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def learning_rate(self):
        """Rate of the next update."""
        return self.optimizers().param_groups[0]["lr"]


# %% [markdown]
# ### The contrast
#
# A network that tells ten digits apart shall now tell odd from even. Its encoder is frozen, its head replaced. (In earnest the encoder would be a trained one; for counting, it makes no difference.) `AppliedRates`
# notes the rate of each optimizer step. The weights that are really trained are those with a gradient.

# %%
from course_utils.experiments.plots import Panels
from course_utils.measure import AppliedRates


def reuse(model):
    model.encoder.requires_grad_(False)
    model.head = nn.Linear(64, 2)
    said = MetricCurve("rate")
    with AppliedRates() as rates:
        L.Trainer(max_epochs=1, callbacks=[said], **quiet_trainer()).fit(model, digits)
    wrong = sum(abs(s - r) > 1e-6 * r for s, r in zip(said.values, rates.values))
    trained = [p.grad for p in model.parameters() if p.grad is not None]
    return {
        "trained weights, said": int(model.trained_weights),
        "trained weights, counted": sum(grad.numel() for grad in trained),
        "last rate, said": said.values[-1],
        "last rate, applied": rates.values[-1],
        "updates": len(rates.values),
        "updates with a wrong rate": wrong,
        "rate said": said.values,
        "rate applied": rates.values,
    }


# %% tags=["contrast"]
result = contrast(
    "11.3",
    bad=lambda: reuse(KeepsNotes()),
    good=lambda: reuse(LooksEachTime()),
    prediction=prediction,
    figure=Panels(
        "A property that reads a note is as stale as the note",
        ["rate applied", "rate said"],
        x="update",
        y="learning rate",
    ),
)

# %% tags=["claim"]
claim(
    "11.3",
    "the note names at least 100 times as many weights as are trained",
    result.bad.number("trained weights, said")
    / result.bad.number("trained weights, counted"),
    at_least=100,
)
claim(
    "11.3",
    "the popular property is at least 1000 times too high in the end",
    result.bad.number("last rate, said") / result.bad.number("last rate, applied"),
    at_least=1000,
)
claim(
    "11.3",
    "what looks at the thing itself is right at every update",
    result.good.number("updates with a wrong rate"),
    equals=0,
)

# %% [markdown]
# **Why.** A number that is stored in `__init__` is a note about one moment. (A note about the peak is right once: at the peak.) Freezing, a new head, `half()`, a scheduler: none of them knows that the note exists. `@property` alone does not help. It computes anew, but from
# what? `hparams.learning_rate` is what you asked for, and what you asked for does not change. The rate that is applied lives in one place, the optimizer.
#
# **Two traps.** The first: a property without a setter cannot be assigned to. Lightning's learning-rate finder, `lr_find`, assigns what it found to the attribute `lr` or `learning_rate`.

# %%
import contextlib
import io

from lightning.pytorch.tuner import Tuner


def find_rate(model):
    tuner = Tuner(L.Trainer(**quiet_trainer()))
    try:
        with contextlib.redirect_stderr(io.StringIO()), OptimizerSteps() as steps:
            tuner.lr_find(model, digits, num_training=20, attr_name="learning_rate")
        return f"works after {steps.count} updates"
    except AttributeError as error:
        return f"{type(error).__name__} after {steps.count} updates"


# %%
class HasAnotherName(SchedulesItsRate):
    @property
    def applied_rate(self):
        return self.optimizers().param_groups[0]["lr"]

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)


print("a property learning_rate:", find_rate(KeepsNotes()))
print("a property applied_rate: ", find_rate(HasAnotherName()))

# %% [markdown]
# All the searching was done, then the result could not be stored. So keep the two apart: what you *ask for* is a setting, `hparams.learning_rate`, and may be assigned, as `lr_find` does in the second case; what is *applied* is read only, and deserves another name.
#
# The second trap is a typing error inside a property. Which name would you look for after this message?


# %% tags=["raises-exception"]
class HasATypo(LooksEachTime):
    @property
    def weights_in_head(self):
        return sum(p.numel() for p in self.haed.parameters())


HasATypo().weights_in_head

# %% [markdown]
# The property is there, and the message says that it is not. If a property raises an `AttributeError`, Python asks the module's `__getattr__` for the name that you wanted, and PyTorch's knows only parameters, buffers and submodules. Call the
# function behind the property, and you hear the truth:

# %% tags=["raises-exception"]
HasATypo.weights_in_head.fget(HasATypo())

# %% [markdown]
# **When the bad version is right.** A note is right for what never changes, such as the size of an image, and for a moment that you want to remember: call it `initial_rate`. It is also right for what is expensive, since a
# property hides its cost behind a dot. Counting weights costs no computation, as a tensor knows its size. The norm of all weights is another matter:

# %%
from course_utils.measure import Operations


class KnowsItsNorm(LooksEachTime):
    @property
    def norm(self):
        return nn.utils.parameters_to_vector(self.parameters()).norm()


model = KnowsItsNorm()
for name in ("trained_weights", "norm"):
    with Operations() as operations:
        getattr(model, name)
    print(f"{name}: computes something:", operations.counts.total() > 0)

# %% [markdown]
# What computes is better a method, with parentheses that say so: `model.norm()`.
#
# ### Your turn · Two numbers that stay true
#
# `size_in_bytes` is the memory of all parameters and buffers, `learning_rate` the rate of the next update, and `None` where there is no optimizer: without a Trainer, or while one only predicts. Make both
# true at any time: after `half()`, with another head, in training and before it. *(8 minutes)*


# %% tags=["exercise"]
class KnowsItself(SchedulesItsRate):
    def __init__(self, learning_rate=0.01):
        super().__init__(learning_rate)
        self.size_in_bytes = 4 * sum(p.numel() for p in self.parameters())
        self.learning_rate = None

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)


# %%
check("11.3", KnowsItself)

# %%
# hint("11.3")

# %% [markdown]
# ## Take away
#
# A checklist for your own code:
#
# - [ ] Where tensors from two sources meet, shapes are checked, by hints or by a plain `if`.
# - [ ] I expect nothing of a plain hint at run time. A type checker reads it, or only people do.
# - [ ] Each docstring that promises something shows an example, and the example fails when the promise is broken.
# - [ ] Something runs the examples: `pytest --doctest-modules`.
# - [ ] What can change is looked up where it lives: parameters in the module, the rate in the optimizer.
# - [ ] What is asked for and what is applied have different names.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-11).
#
# **Sources** Python's documentation on [annotations](https://docs.python.org/3/library/typing.html) and [doctest](https://docs.python.org/3/library/doctest.html); PyTorch's on
# [broadcasting](https://docs.pytorch.org/docs/stable/notes/broadcasting.html); [jaxtyping](https://docs.kidger.site/jaxtyping/); Lightning's on
# [the learning-rate finder](https://lightning.ai/docs/pytorch/stable/advanced/training_tricks.html); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 12**, or look at the [solutions](../solutions/11_code_quality.ipynb) of this one.
