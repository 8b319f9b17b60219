# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 01 · A project that does what it is told
#
# One class reads the images, splits them, classifies them and updates its own weights. It works. Then three harmless wishes arrive, and the project ignores two of
# them and lies about the other, without a single error. In this lesson you take it apart into data module, model and trainer, and at the end you can
#
# - write a module that obeys every flag of the Trainer, on one device and on two;
# - split data so that no validation image is ever trained on, whoever does the splitting and how often;
# - build models from parts that can be exchanged and reused, and prove that a frozen part stays as it was.
#
# **You need** to know what a `LightningModule` and a `Trainer` are. New here? [Start here](00_start_here.ipynb) takes fifteen minutes.
#
# **Time** 30 minutes of reading and running, 24 minutes of exercises. All cells together run in less than half a minute on two CPU cores.

# %% tags=["setup"]
try:
    import course_utils
except ModuleNotFoundError:  # opened alone, as on Colab: fetch the helpers, keep torch
    from IPython import get_ipython

    get_ipython().run_line_magic("pip", 'install -q "lightning-course-utils==0.1.*"')
    import course_utils

course_utils.start("01", written_for="0.1")

# %%
import lightning as L
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

from course_utils.data import ImageDataModule, scaled
from course_utils.hardware import quiet_trainer
from course_utils.measure import accuracy

# %% [markdown]
# ## The project, before
#
# 2,000 labelled scans of digits, and one class for everything. Read it once and ask of each line: does it say *what* is learned, *from which data*, or *how* the
# training runs?

# %%
digits = ImageDataModule()
scans = TensorDataset(scaled(digits.train_images[:2000]), digits.train_labels[:2000])


# %%
class DoesEverything(L.LightningModule):
    def __init__(self):
        super().__init__()
        hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU()]
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(32, 10))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=3e-3)

    def setup(self, stage):
        self.train_set, self.val_set = random_split(scans, [1600, 400])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=64, shuffle=True)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self.layers(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def configure_optimizers(self):
        return None  # it has an optimizer already


# %%
before = DoesEverything()
L.Trainer(max_epochs=5, **quiet_trainer()).fit(before)
before_accuracy = accuracy(before.layers.cpu(), digits.test_images, digits.test_labels)
print(f"test accuracy: {before_accuracy:.3f}")

# %% [markdown]
# It learns, and nothing complains. Now the wishes:
#
# 1. "Our GPU is small. Collect the gradients of four batches before each update." (1.1)
# 2. "Validate the model again tomorrow." (1.2)
# 3. "There is a new scanner, and only forty labelled scans. Use what the network knows." (1.3)
#
# ## 1.1 Separate research from engineering
#
# The first wish is one flag: `accumulate_grad_batches=4`. While we are at it, a second one limits the gradient: `gradient_clip_val=0.05`. The epoch has
# 32 batches. How many updates does a module make that steps its optimizer itself?
#
# **Predict before you run.**
#
# - **a** none: with these flags the Trainer stops with an error, because it has no optimizer to hold back;
# - **b** 8: the Trainer holds back the gradients until the fourth batch;
# - **c** 32: one after every batch, without a word.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# Both versions share the network:


# %%
class DigitClassifier(L.LightningModule):
    """Images of shape (batch, 1, 28, 28) to logits of shape (batch, 10)."""

    def __init__(self):
        super().__init__()
        hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU()]
        self.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(32, 10))

    def forward(self, images):
        return self.layers(images)


# %% [markdown]
# ### Bad: the module steps its optimizer itself


# %% tags=["bad"]
class StepsItself(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=3e-3)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def configure_optimizers(self):
        return None


# %% [markdown]
# ### Good: the module hands over loss and optimizer


# %% tags=["good"]
class HandsOver(DigitClassifier):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


# %% [markdown]
# ### The contrast
#
# `UpdateLog` is a callback that listens to every optimizer in the process, whoever owns it. After each batch it notes how many updates were made, and at each
# update how long the gradient was. Watch the two lines part at the first batch.

# %%
from course_utils import claim, contrast
from course_utils.experiments.plots import Lines
from course_utils.measure import UpdateLog


def train(model, **flags):
    log = UpdateLog()
    trainer = L.Trainer(max_epochs=1, callbacks=[log], **quiet_trainer(**flags))
    trainer.fit(model, DataLoader(scans, batch_size=64, shuffle=True))
    return log


def grant_the_wish(model):
    log = train(model, accumulate_grad_batches=4, gradient_clip_val=0.05)
    return {
        "batches": len(log.so_far),
        "updates": log.so_far[-1],
        "longest gradient at an update": max(log.norms),
        "updates so far": log.so_far,
    }


# %% tags=["contrast"]
result = contrast(
    "1.1",
    bad=lambda: grant_the_wish(StepsItself()),
    good=lambda: grant_the_wish(HandsOver()),
    prediction=prediction,
    figure=Lines(
        "Told to update every fourth batch, one module updates after each",
        "updates so far",
        x="batch",
        y="updates so far",
    ),
)

# %% tags=["claim"]
claim(
    "1.1",
    "the module that steps itself makes four times the updates it was told to make",
    result.times("updates"),
    equals=4,
)
claim(
    "1.1",
    "and its longest gradient is at least 20 times the limit",
    result.times("longest gradient at an update"),
    at_least=20,
)
claim(
    "1.1",
    "the module that hands over keeps the limit",
    result.good.number("longest gradient at an update"),
    at_most=0.0501,
)

# %% [markdown]
# **Why.** The Trainer's flags live in the lines that call `backward`, `step` and `zero_grad`. A module that calls them itself goes around the flags. Lightning
# does not object: a step that returns `None` means "skip this batch" to it. So it does nothing for 32 batches, and the module has learned from each of them already.
#
# What makes this hard to notice: as long as nobody wishes for anything, both modules do exactly the same.


# %%
def weights_after_training(model_class):
    torch.manual_seed(0)
    model = model_class()
    train(model)
    return torch.cat([weight.flatten() for weight in model.parameters()])


same = torch.equal(
    weights_after_training(StepsItself), weights_after_training(HandsOver)
)
claim("1.1", "without a wish, both end with the same bits", same, equals=True)

# %% [markdown]
# **What you may have read.** The usual warning against this habit shows a step that updates the weights *and* returns the loss. That one does not mislead anybody. It
# crashes in the first batch, because Lightning runs backward through a graph that is already used up:


# %% tags=["raises-exception"]
class StepsAndReturns(StepsItself):
    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


train(StepsAndReturns())

# %% [markdown]
# The dangerous version is the silent one above, the one without `return`.
#
# **When the bad version is right.** Some methods need several optimizers in one step: GANs, some reinforcement learning. For them Lightning has *manual optimization*: set
# `automatic_optimization = False`, and the steps are yours. The Trainer then refuses the two flags with an error instead of ignoring them, which is fair. One duty remains. Backward must go through
# `self.manual_backward(loss)`. Here is what happens without it when two processes train one model, each on its half of the scans.


# %%
class CallsBackward(HandsOver):
    automatic_optimization = False

    def backward_of(self, loss):
        loss.backward()

    def training_step(self, batch, batch_idx):
        images, labels = batch
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.backward_of(F.cross_entropy(self(images), labels))
        optimizer.step()


class CallsManualBackward(CallsBackward):
    def backward_of(self, loss):
        self.manual_backward(loss)


# %% [markdown]
# `run_processes` starts two processes and returns what each of them returned. They run on the CPU with the same code as two GPUs, and exchange the same gradients; only the library that carries them is another. Each returns the weights
# of its replica; after every update the two should be equal.

# %%
from course_utils.distributed import run_processes


def distance_of_replicas(model_class):
    def work():
        model = model_class()
        train(model, accelerator="cpu", devices=2, strategy="ddp")
        return torch.cat([weight.detach().flatten() for weight in model.parameters()])

    first, second = run_processes(work)
    return (first - second).abs().max().item()


apart = distance_of_replicas(CallsBackward)
together = distance_of_replicas(CallsManualBackward)
claim("1.1", "after loss.backward() the replicas drift apart", apart, at_least=0.01)
claim("1.1", "after manual_backward they are equal, bit by bit", together, equals=0)

# %% [markdown]
# `manual_backward` is where the processes average their gradients. Without it, two models train side by side, each on half of the data, and only the first is
# saved.
#
# ### Your turn · Give the Trainer its work back
#
# This module accumulates, clips and steps by hand, for a small GPU of years ago. Make it obey `accumulate_grad_batches` and `gradient_clip_val` of any Trainer, on one
# device and on two. Keep SGD with its momentum. *(6 minutes)*


# %% tags=["exercise"]
class ObeysTheTrainer(DigitClassifier):
    def __init__(self):
        super().__init__()
        self.optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        loss.backward()
        if (batch_idx + 1) % 4 == 0:  # larger batches for our small GPU
            nn.utils.clip_grad_norm_(self.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()

    def configure_optimizers(self):
        return None


# %%
from course_utils import check, hint, solution

check("1.1", ObeysTheTrainer)

# %% [markdown]
# Stuck? `hint("1.1")` gives a nudge, the second call a bigger one. `solution("1.1")` shows one way to do it, with its reason.

# %%
# hint("1.1")

# %% [markdown]
# ## 1.2 Keep the data in a data module
#
# All data code moves into a `LightningDataModule`: the split by `random_split` into `setup`, the loaders into their methods. The Trainer asks for what it needs. It is the standard advice, and this data module
# follows it. You fit on 1,600 scans. Later you hand the model and the *same* data module to a new Trainer, and validate on 400.
#
# **Predict.** The reported accuracy is
#
# - **a** too high: most of the 400 scans have been trained on;
# - **b** fair, but noisier: a random split is a random split;
# - **c** fair: the data module has made its split and keeps it.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"


# %%
class DigitData(L.LightningDataModule):
    """Batches of labelled scans; `setup` is left to the two versions."""

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=400)


# %% [markdown]
# ### Bad: the split is drawn anew in each setup


# %% tags=["bad"]
class SplitsAnew(DigitData):
    def setup(self, stage):
        self.train_set, self.val_set = random_split(scans, [1600, 400])


# %% [markdown]
# ### Good: the split is drawn from its own seed


# %% tags=["good"]
class SplitsBySeed(DigitData):
    def setup(self, stage):
        generator = torch.Generator().manual_seed(0)
        self.train_set, self.val_set = random_split(
            scans, [1600, 400], generator=generator
        )


# %% [markdown]
# ### The contrast
#
# The model is the good one of 1.1, with a `validation_step`. After the fit we mark the scans that were trained on. Then a second Trainer validates. The test images, which nobody
# has touched, say what the accuracy really is.


# %%
class ValidatedClassifier(HandsOver):
    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val_acc", (self(images).argmax(1) == labels).float().mean())


# %%
def fit_then_validate(data):
    model = ValidatedClassifier()
    fitting = L.Trainer(max_epochs=8, limit_val_batches=0, **quiet_trainer())
    fitting.fit(model, datamodule=data)
    seen = torch.zeros(len(scans), dtype=torch.bool)
    seen[data.train_set.indices] = True

    validating = L.Trainer(**quiet_trainer())
    [reported] = validating.validate(model, datamodule=data, verbose=False)
    images, labels = scans.tensors
    right = (model.cpu()(images).argmax(1) == labels).float()
    val = torch.tensor(data.val_set.indices)
    new = val[~seen[val]]
    return {
        "trained on (%)": 100 * seen[val].float().mean(),
        "reported accuracy": reported["val_acc"],
        "test accuracy": accuracy(model, digits.test_images, digits.test_labels),
        "accuracy of new and of seen scans": [right[new].mean(), right[seen].mean()],
    }


# %% tags=["contrast"]
result = contrast(
    "1.2",
    bad=lambda: fit_then_validate(SplitsAnew()),
    good=lambda: fit_then_validate(SplitsBySeed()),
    prediction=prediction,
    figure=Lines(
        "The more validation scans were trained on, the better it looks",
        "accuracy of new and of seen scans",
        at=(0, 100),
        x="validation scans that had been trained on (%)",
        y="accuracy",
        point=("trained on (%)", "reported accuracy"),
        truth="test accuracy",
    ),
)

# %% tags=["claim"]
claim(
    "1.2",
    "more than half of the validation scans had been trained on",
    result.bad.measured["trained on (%)"],
    at_least=60,
)
inflated = result.bad.number("reported accuracy") - result.bad.number("test accuracy")
claim("1.2", "the report is at least 4 points too high", inflated, at_least=0.04)
claim(
    "1.2",
    "with a seed of its own, no validation scan was trained on",
    result.good.measured["trained on (%)"],
    equals=0,
)

# %% [markdown]
# **Why.** `setup` runs more often than its name suggests: once for each stage, and once in each process. Every call draws another split, and four of five scans
# fall into the training part each time. So about four of five validation scans had been trained on. The line in the figure goes from scans the model has never seen to scans it knows almost by heart; the report slides along it.


# %%
class TellsItsStages(SplitsBySeed):
    def setup(self, stage):
        print("setup for", stage.upper())
        super().setup(stage)


data = TellsItsStages()
model = ValidatedClassifier()
L.Trainer(fast_dev_run=True, **quiet_trainer()).fit(model, datamodule=data)
_ = L.Trainer(**quiet_trainer()).validate(model, datamodule=data, verbose=False)

# %% [markdown]
# So the data module did not protect us. It gives data code a place; that the split is *the same each time* is up to you. A generator of its own makes the split depend on the
# scans and a number, and on nothing else. A `torch.manual_seed` in `setup` would do that too, and would also decide every shuffle and dropout after it.
#
# There is a second trap in the same place. `prepare_data` runs in **one** process, because it is for downloads. What it assigns to `self` exists there and nowhere else:


# %%
class RemembersInPrepareData(SplitsBySeed):
    def prepare_data(self):
        self.mean_pixel = scans.tensors[0].mean()


def mean_pixel_is_there():
    data = RemembersInPrepareData()
    options = quiet_trainer(accelerator="cpu", devices=2, strategy="ddp")
    L.Trainer(fast_dev_run=True, **options).fit(HandsOver(), datamodule=data)
    return hasattr(data, "mean_pixel")


print("in one process and in the other:", run_processes(mean_pixel_is_there))

# %% [markdown]
# On one device it works, on two it is an `AttributeError`. Keep state in `setup`.
#
# **When the bad version is right.** Loaders passed straight to `fit` are no sin. If one script fits and validates, one split is made once, and nothing can leak. And for cross-validation
# you *want* a new split each time, together with a new model.

# %%
train_set, val_set = random_split(scans, [1600, 400])
model = ValidatedClassifier()
trainer = L.Trainer(max_epochs=1, **quiet_trainer())
trainer.fit(model, DataLoader(train_set, batch_size=64, shuffle=True))
_ = trainer.validate(model, DataLoader(val_set, batch_size=400), verbose=False)
shared = set(train_set.indices) & set(val_set.indices)
print("validation scans trained on:", len(shared))

# %% [markdown]
# A data module costs a class. It pays as soon as a second script, a second process or a second person needs the same split.
#
# ### Your turn · A split that everybody agrees on
#
# Complete this data module. It gets images and labels and makes three parts: 70 % to train, 15 % to validate, 15 % to test, each with its loader. Every instance makes the same
# parts, however often `setup` is called, also where `prepare_data` never ran, and neither depends on the global random state nor seeds it. Training batches are shuffled. *(8 minutes)*


# %% tags=["exercise"]
class StableData(L.LightningDataModule):
    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels

    def prepare_data(self):
        self.dataset = TensorDataset(self.images, self.labels)

    def setup(self, stage):
        self.train_set, self.val_set = random_split(self.dataset, [0.85, 0.15])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=64, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=64)


# %%
check("1.2", StableData)

# %%
# hint("1.2")

# %% [markdown]
# ## 1.3 Keep models modular
#
# The third wish. A new scanner delivers noisy scans, and they are sorted into five bins: digits 0 and 1 into bin 0, 2 and 3 into bin 1, and so on. There are
# forty labelled scans, four of each digit. The plan: train a network on clean digits, take over what it has learned, freeze it, and train a new last layer on the forty.
#
# The old network keeps its layers in `self.layers`. A colleague wrote the new one, with the very same layers, in `self.net`. The last layer is a new one anyway, so
# the weights are taken over with `load_state_dict(..., strict=False)`.
#
# **Predict.** Of the four tensors below the last layer,
#
# - **a** all four arrive: the same shapes in the same order;
# - **b** none arrives, and nobody says so;
# - **c** none arrives, and an error names them.

# %% tags=["predict"]
prediction = None  # "a", "b" or "c"

# %% [markdown]
# First the scans. Every version learns from labels in the same way, so that stands in a class of its own.

# %%
generator = torch.Generator().manual_seed(0)


def new_scanner(images):
    clean = scaled(images)
    return clean + 0.6 * torch.randn(clean.shape, generator=generator)


clean = TensorDataset(scaled(digits.train_images[:6000]), digits.train_labels[:6000])
unused = digits.train_labels[6000:]
fours = [6000 + (unused == digit).nonzero()[:4, 0] for digit in range(10)]
chosen = torch.cat(fours)
few = digits.train_labels[chosen] // 2
forty = TensorDataset(new_scanner(digits.train_images[chosen]), few)
noisy_test, bins = new_scanner(digits.test_images), digits.test_labels // 2


# %%
class LearnsTheLabels(L.LightningModule):
    lr = 3e-3

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


# %% [markdown]
# ### Bad: one block, filled by name


# %% tags=["bad"]
class BinsInOneBlock(LearnsTheLabels):
    def __init__(self, old):
        super().__init__()
        hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU()]
        self.net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(32, 5))
        self.load_state_dict(old.state_dict(), strict=False)
        self.net[:-1].requires_grad_(False)

    def forward(self, images):
        return self.net(images)


# %% [markdown]
# ### Good: an encoder, handed in


# %% tags=["good"]
class OnAnEncoder(LearnsTheLabels):
    def __init__(self, encoder, classes):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(32, classes)

    def forward(self, images):
        return self.head(self.encoder(images))


# %% [markdown]
# ### The contrast
#
# `OnAnEncoder` serves twice: as the old network with ten classes, and as the new one with five, around the same encoder. We look at the four tensors before the new layer is trained.


# %%
def make_encoder():
    hidden = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *hidden)


def fit(model, dataset, epochs, batch_size):
    loader = DataLoader(dataset, batch_size, shuffle=True)
    L.Trainer(max_epochs=epochs, **quiet_trainer()).fit(model, loader)
    return model.cpu()


def learn_bins(model, lr=1e-2):  # two batches an epoch: few steps, so larger ones
    model.lr = lr
    return fit(model, forty, epochs=30, batch_size=20)


@torch.no_grad()
def share_right(answers):
    return (answers == bins).float().mean().item()


# %%
TENSORS = ["layer 1 weight", "layer 1 bias", "layer 2 weight", "layer 2 bias"]


def grant_the_third_wish(old, make_new):
    fit(old, clean, epochs=3, batch_size=128)
    new = make_new(old)
    arrived = [
        any(torch.equal(mine, theirs) for theirs in old.parameters())
        for mine in list(new.parameters())[:4]
    ]
    learn_bins(new)
    cells = ["taken over" if each else "random" for each in arrived]
    return {
        **dict(zip(TENSORS, cells)),
        "tensors taken over": sum(arrived),
        "accuracy": share_right(new(noisy_test).argmax(1)),
        "accuracy of the old network": share_right(old(noisy_test).argmax(1) // 2),
    }


# %% tags=["contrast"]
from course_utils.experiments.plots import Cells

result = contrast(
    "1.3",
    bad=lambda: grant_the_third_wish(HandsOver(), BinsInOneBlock),
    good=lambda: grant_the_third_wish(
        OnAnEncoder(make_encoder(), classes=10),
        lambda old: OnAnEncoder(old.encoder.requires_grad_(False), classes=5),
    ),
    prediction=prediction,
    figure=Cells(
        "Under another name not one tensor arrives",
        TENSORS,
        fine="taken over",
    ),
)

# %% tags=["claim"]
claim(
    "1.3",
    "filled by name, no tensor arrives, and no error says so",
    result.bad.number("tensors taken over"),
    equals=0,
)
claim(
    "1.3",
    "handed in, all four are there",
    result.good.number("tensors taken over"),
    equals=4,
)
claim(
    "1.3",
    "the handed-in encoder sorts at least 20 points better",
    result.gain("accuracy"),
    at_least=0.2,
)

# %% [markdown]
# **Why.** `load_state_dict` matches by *name*. `layers.1.weight` and `net.1.weight` have nothing in common, and `strict=False` says: never mind. The new layer then learned from a
# frozen random network. A module that is handed in as an object has its weights in it; there is no name to get wrong.
#
# Had both networks used the same name, you would have been told: a tensor of the right name and the wrong shape, here the last layer's, is an error even with `strict=False`. It forgives
# names, not shapes. If you must load by name, leave the last layer out, and read what comes back:

# %%
old, new = HandsOver(), OnAnEncoder(make_encoder(), classes=10)
missing, unexpected = new.load_state_dict(old.state_dict(), strict=False)
print("tensors the new network misses:", len(missing))
print("tensors it has no place for:   ", len(unexpected))

# %% [markdown]
# Six each, with the last layer's two: nothing was taken over.
#
# Is the frozen encoder worth it at all? Someone could train the same network on the forty scans from scratch. Let us be generous to them: they try three learning rates, with two
# networks each, and keep the rate that does best on the test scans themselves.


# %%
def train_from_scratch(lr):
    accuracies = []
    for seed in range(2):
        torch.manual_seed(seed)
        scratch = learn_bins(OnAnEncoder(make_encoder(), classes=5), lr)
        accuracies.append(share_right(scratch(noisy_test).argmax(1)))
    return sum(accuracies) / 2


from_scratch = {lr: train_from_scratch(lr) for lr in (1e-3, 3e-3, 1e-2)}
reused = result.good.number("accuracy")
print(f"reused encoder:        {reused:.3f}")
for lr, share in from_scratch.items():
    print(f"from scratch at {lr:.3f}: {share:.3f}")
claim(
    "1.3",
    "reuse beats training from scratch at its best rate by at least 10 points",
    reused - max(from_scratch.values()),
    at_least=0.1,
)

# %% [markdown]
# **When the bad version is right.** Go back to the last row of the contrast's table. The old network, *as it is*, with its answers sorted into bins, beats everything we trained on forty scans.
# If you know the table from old labels to new ones, train nothing. And one block is fine for a first experiment: parts pay when a second model needs one of them.

# %%
claim(
    "1.3",
    "the old network and a table of bins beat the new layer by 2 points or more",
    result.good.number("accuracy of the old network") - reused,
    at_least=0.02,
)

# %% [markdown]
# You will often read `self.encoder = Encoder()` as the good version. It names the parts, which helps. But the encoder is still chosen inside, so a class that creates its encoder can
# only ever have that one. Ours takes any, a convolutional one for example, and not a line of the class changes:

# %%
convolutional = nn.Sequential(
    nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(1352, 32)
)
model = OnAnEncoder(convolutional, classes=10)
print("logits:", tuple(model(scans.tensors[0][:64]).shape))

# %% [markdown]
# One trap is left. "Frozen" means that every bit stays. `requires_grad_(False)` stops the weights. Batch normalization has more than weights:


# %%
def changed_by_training(encoder):
    before = {name: each.clone() for name, each in encoder.state_dict().items()}
    fit(OnAnEncoder(encoder, classes=5), forty, epochs=1, batch_size=20)
    after = encoder.state_dict()
    return [name for name in before if not torch.equal(before[name], after[name])]


encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.BatchNorm1d(32))
print("frozen weights: ", changed_by_training(encoder.requires_grad_(False)))
print("evaluation mode:", changed_by_training(encoder.eval()))

# %% [markdown]
# In training mode, running mean and variance follow the batches, with or without gradients. In evaluation mode they rest. Lightning leaves each part in the mode that you gave it.
#
# ### Your turn · An encoder from anywhere, frozen to the bit
#
# Write this class from its specification:
#
# - `ReusesAnEncoder(encoder, features)` takes an encoder that maps images to `features` numbers each, and classifies ten digits with a new last layer;
# - `forward(images)` returns the logits, and training lowers the cross-entropy;
# - training changes no bit of the encoder, whatever layers it has.
#
# *(10 minutes)*


# %% tags=["exercise"]
class ReusesAnEncoder(L.LightningModule):
    def __init__(self, encoder, features):
        super().__init__()


# %%
check("1.3", ReusesAnEncoder)

# %%
# hint("1.3")

# %% [markdown]
# ## The project, after
#
# Three parts, each with one concern. The data module knows which scans are used for what. The module knows what is learned. The Trainer knows how. Compare with the class at
# the top: most lines are the same, they have only moved.

# %%
data = SplitsBySeed()
model = OnAnEncoder(make_encoder(), classes=10)
trainer = L.Trainer(
    max_epochs=10, accumulate_grad_batches=4, limit_val_batches=0, **quiet_trainer()
)
trainer.fit(model, datamodule=data)
after_accuracy = accuracy(model.cpu(), digits.test_images, digits.test_labels)
print(f"test accuracy: {after_accuracy:.3f}")

# %% [markdown]
# Four batches make one update now, so it trains twice as many epochs as the class at the top. It was not built to be more accurate, but to do what it is told.
#
# Does it obey? The checks of your exercises ask *probes*: functions that run a module and report what they saw. They work on any module of yours, outside this course too.

# %%
from course_utils.exercises.lesson_01 import (
    obeys_accumulation,
    obeys_clipping,
    replicas_agree,
    splits_hold,
)


def build():
    return OnAnEncoder(make_encoder(), classes=10)


batches = list(DataLoader(scans, batch_size=64))[:8]
print(obeys_accumulation(build, batches, every=4))
print(obeys_clipping(build, batches, norm=0.05))
print(replicas_agree(build, TensorDataset(*batches[0])))

# %%
for finding in splits_hold(SplitsBySeed):
    print(finding)

# %% [markdown]
# The other lessons build on this project. They take their scans from `ImageDataModule`, which is `SplitsBySeed` for several data sets, and their modules look like `HandsOver`.
#
# ## Take away
#
# A checklist for your own code:
#
# - [ ] `training_step` returns the loss, `configure_optimizers` returns the optimizer; no `backward`, `step`, `zero_grad` or clipping in the module.
# - [ ] Manual optimization only for several optimizers, and then with `self.manual_backward`.
# - [ ] The split is drawn from a generator of its own; nothing is assigned to `self` in `prepare_data`.
# - [ ] Parts are handed in, not created inside; what `load_state_dict(strict=False)` returns is read.
# - [ ] A frozen part has no gradients *and* is in evaluation mode.
#
# **Evidence** Every claim of this lesson under many seeds, with its margin: [the record](../src/course_utils/records/evidence.md#lesson-01).
#
# **Sources** Lightning's documentation on [manual optimization](https://lightning.ai/docs/pytorch/stable/model/manual_optimization.html),
# [the data module](https://lightning.ai/docs/pytorch/stable/data/datamodule.html) and
# [transfer learning](https://lightning.ai/docs/pytorch/stable/advanced/transfer_learning.html); PyTorch's documentation of
# [load_state_dict](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict); MNIST by LeCun, Cortes and Burges.
#
# Next: **lesson 02**, device agnosticism, or look at the [solutions](../solutions/01_code_organization.ipynb) of this one.
