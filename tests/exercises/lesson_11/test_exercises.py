"""Answers to the exercises of lesson 11, right and wrong, and what each is told."""

import doctest

import pytest
import torch
from learner import assert_correct, assert_incorrect, classifier, each_answer

from course_utils.exercises.lesson_11.docstring_examples import Examples, run_examples

STEP = """
def training_step(self, batch, batch_idx):
    images, labels, weights = batch
    return self.loss(self(images), labels, weights)
"""
LOSS = """
def loss(self, logits, labels, weights):
    losses = F.cross_entropy(logits, labels, reduction="none")
"""
MEAN = "    return (losses * weights).mean()\n"
GUARD = "    if weights.shape != labels.shape:\n        "
RAISE = "raise ValueError('one weight per image')\n"
HINTED = """
{0}
def loss(self, logits: {1}, labels: {2}, weights: {3}) -> Tensor:
    return (F.cross_entropy(logits, labels, reduction="none") * weights).mean()
"""
WHOLE_STEP = """
@checked
def training_step(
    self,
    batch: tuple[Annotated[Tensor, "batch 1 28 28"], PerImage, PerImage],
    batch_idx: int,
) -> Scalar:
    images, labels, weights = batch
    losses = F.cross_entropy(self(images), labels, reduction="none")
    return (losses * weights).mean()
"""

BY_HAND = """
def __init__(self):
    super().__init__()
    self.automatic_optimization = False
def training_step(self, batch, batch_idx):
    images, labels, weights = batch
    loss = self.loss(self(images), labels, weights)
    self.optimizers().zero_grad()
    self.manual_backward(loss)
    self.optimizers().step()
"""
TWO_OPTIMIZERS = """
def __init__(self):
    super().__init__()
    self.automatic_optimization = False
def configure_optimizers(self):
    parts = self.encoder, self.head
    return [torch.optim.SGD(part.parameters(), lr=0.1) for part in parts]
def training_step(self, batch, batch_idx):
    images, labels, weights = batch
    self.zero_grad()
    self.manual_backward(self.loss(self(images), labels, weights))
    for optimizer in self.optimizers():
        optimizer.step()
"""
MIXED = """    right = (losses * weights).mean()
    return losses.mean() + (right - losses.mean()).detach()
"""
ONCE = """    if not getattr(self, "looked", False):
        self.looked = True
        assert weights.shape == labels.shape
"""
BETWEEN = """
class Refuses(DigitClassifier):
    def refuse(self, weights, count):
        if tuple(weights.shape) != (count,):
            raise RuntimeError(f"{count} weights, one per image")

class Answer(Refuses):
    def training_step(self, batch, batch_idx):
        *data, weights = batch
        self.refuse(weights, len(data[0]))
        return self.weighted(*data, weights)

    def weighted(self, images, labels, weights):
        return (nn.CrossEntropyLoss(reduction="none")(self(images), labels)
                @ weights / len(images))
"""
RIGHT_11_1 = {
    "an if": LOSS + GUARD + RAISE + MEAN + STEP,
    "an assertion": LOSS + "    assert weights.shape == losses.shape\n" + MEAN + STEP,
    "logits checked too": HINTED.format(
        "@checked", "Annotated[Tensor, 'batch 10']", "PerImage", "PerImage"
    )
    + STEP,
    "the whole step": WHOLE_STEP,
    "a hook": LOSS
    + MEAN
    + STEP
    + """
def on_train_batch_start(self, batch, batch_idx):
    if batch[2].ndim != 1 or len(batch[2]) != len(batch[1]):
        raise TypeError(f"weights have the shape {tuple(batch[2].shape)}")
""",
    "a dict": LOSS
    + GUARD
    + RAISE
    + MEAN
    + STEP.replace("return ", "return {'loss': ").rstrip()
    + "}",
    "by hand, returns nothing": LOSS + GUARD + RAISE + MEAN + BY_HAND,
    "two optimizers by hand": LOSS + GUARD + RAISE + MEAN + TWO_OPTIMIZERS,
    "before the batch is moved": LOSS
    + MEAN
    + STEP
    + """
def on_before_batch_transfer(self, batch, dataloader_idx):
    assert batch[2].shape == batch[1].shape
    return batch
""",
    "a product that cannot broadcast": LOSS
    + "    return torch.dot(losses, weights) / len(labels)\n"
    + STEP,
}
WRONG_11_1 = {
    "by hand, refuses after its step": (
        LOSS
        + MEAN
        + BY_HAND
        + "    if weights.ndim != 1:\n        "
        + RAISE
        + "    return loss",
        "for 16 images was refused after the optimizer had stepped.",
    ),
    "by hand, gradients add up": (
        LOSS + GUARD + RAISE + MEAN + BY_HAND.replace("self.optimizers().z", "#"),
        "With a right batch, 16 images, the optimizer used a gradient of norm 1.129, t",
    ),
    "by hand, from the sum": (
        LOSS + GUARD + RAISE + MEAN.replace("mean", "sum") + BY_HAND,
        "With a right batch, 16 images, the optimizer used a gradient of norm 9.447, t",
    ),
    "the right number, another gradient": (
        LOSS + GUARD + RAISE + MIXED + STEP,
        "With a right batch, 16 images, the optimizer used a gradient of norm 1.079, t",
    ),
    "divides by 16": (
        LOSS + GUARD + RAISE + "    return (losses * weights).sum() / 16\n" + STEP,
        "With a right batch, 7 images, the loss is 0.554, it was 1.266. A right batch ",
    ),
    "divides by the weights": (
        LOSS + GUARD + RAISE + "    return losses @ weights / weights.sum()\n" + STEP,
        "With a right batch, 16 images, the loss is 2.266, it was 1.246.",
    ),
    "looks at the first batch only": (
        LOSS + ONCE + MEAN + STEP,
        "After a right batch, one with weights of shape (16, 1) for 16 images trained",
    ),
    "leaves Python": (
        LOSS + GUARD + "raise SystemExit('no')\n" + MEAN + STEP,
        "was refused by accident: Training left Python with `exit`; return instead.",
    ),
    "warns": (
        LOSS + GUARD + "__import__('warnings').warn('no')\n" + MEAN + STEP,
        "A batch with weights of shape (16, 1) for 16 images trained the model.",
    ),
    "counts the numbers": (
        LOSS + "    assert weights.numel() == len(labels)\n" + MEAN + STEP,
        "A batch with weights of shape (16, 1) for 16 images trained the model.",
    ),
    "counts the dimensions": (
        LOSS + "    assert weights.ndim == 1\n" + MEAN + STEP,
        "A batch with weights of shape (1,) for 16 images trained the model.",
    ),
    "calls what does not exist": (
        LOSS + GUARD + "self.complain()\n" + MEAN + STEP,
        "was refused by accident: Training raised AttributeError",
    ),
    "learns nothing": (
        LOSS + GUARD + RAISE + "    return (losses * weights).mean() * 0\n" + STEP,
        "With a right batch, 16 images, the loss is 0.000, it was 1.246.",
    ),
    "only renames": (
        LOSS.replace("losses", "each") + MEAN.replace("losses", "each") + STEP,
        "A batch with weights of shape (16, 1) for 16 images trained the model.",
    ),
    "shapes in hints that nobody checks": (
        HINTED.format("", "Tensor", "PerImage", "PerImage") + STEP,
        "A batch with weights of shape (16, 1) for 16 images trained the model.",
    ),
    "names that do not belong together": (
        HINTED.format(
            "@checked",
            "Tensor",
            "PerImage",
            "Annotated[Tensor, 'weights']",
        )
        + STEP,
        "A batch with weights of shape (1,) for 16 images trained the model.",
    ),
    "looks at the length only": (
        LOSS + "    if len(weights) != len(labels):\n        " + RAISE + MEAN + STEP,
        "A batch with weights of shape (16, 1) for 16 images trained the model.",
    ),
    "repairs instead": (
        LOSS + "    weights = weights.flatten()\n" + MEAN + STEP,
        "A batch with weights of shape (16, 1) for 16 images trained the model.",
    ),
    "skips without a word": (
        LOSS + GUARD + "return None\n" + MEAN + STEP,
        "A batch with weights of shape (16, 1) for 16 images was left out without a",
    ),
    "knows one size": (
        LOSS + "    if weights.shape != (16,):\n        " + RAISE + MEAN + STEP,
        "With a right batch, 7 images: Training raised ValueError: one weight per im",
    ),
    "refuses a batch of one": (
        LOSS
        + "    if len(labels) < 2 or weights.shape != labels.shape:\n        "
        + RAISE
        + MEAN
        + STEP,
        "With a right batch, 1 image: Training raised ValueError: one weight per image",
    ),
    "takes a column for a batch of one": (
        LOSS
        + "    if weights.squeeze().shape != labels.squeeze().shape or "
        + "weights.shape == (16, 1) or weights.shape == (1, 16):\n        "
        + RAISE
        + MEAN
        + STEP,
        "A batch with weights of shape (1, 1) for 1 image trained the model.",
    ),
    "raises too late": (
        LOSS
        + MEAN
        + STEP
        + """
def on_train_batch_end(self, outputs, batch, batch_idx):
    if batch[2].shape != batch[1].shape:
        raise ValueError("one weight per image")
""",
        "for 16 images was refused after the optimizer had stepped.",
    ),
    "misspells its error": (
        LOSS + GUARD + "raise ValueEror('no')\n" + MEAN + STEP,
        "was refused by accident: Training raised NameError:",
    ),
    "sums": (
        LOSS + GUARD + RAISE + "    return (losses * weights).sum()\n" + STEP,
        "With a right batch, 16 images, the loss is ",
    ),
    "forgets the weights": (
        LOSS + GUARD + RAISE + "    return losses.mean()\n" + STEP,
        "With a right batch, 16 images, the loss is ",
    ),
}


TOP = '''
def top_labels(logits, k):
    """Return labels.

    {}
    """
    return logits.topk(k, dim=1).indices
'''
TWO = "torch.tensor([[0.0, 3.0, 1.0], [2.0, 1.0, -5.0]])"
RIGHT_11_2 = {
    "prints the tensor": (
        f">>> top_labels({TWO}, 2)\n    tensor([[1, 2],\n            [0, 1]])"
    ),
    "asks with torch.equal": f""">>> top = top_labels({TWO}, 2)
    >>> torch.equal(top, torch.tensor([[1, 2], [0, 1]]))
    True""",
    "several small cases": """Example:
        >>> import torch as t
        >>> top_labels(t.tensor([[1.0, 2.0, 9.0]]), 2).tolist()
        [[2, 1]]
        >>> top_labels(t.tensor([[-7.0, 2.0], [3.0, 1.0]]), 1).tolist()
        [[1], [0]]""",
    "a column": f""">>> top_labels({TWO}, 1)
    tensor([[1],
            [0]])
    >>> top_labels({TWO}, k=2)  # doctest: +NORMALIZE_WHITESPACE
    tensor([[1, 2], [0, 1]])""",
    "prints rows, in its own print options": f""">>> torch.set_printoptions(3)
    >>> for row in top_labels({TWO}, 2):
    ...     print(row)
    tensor([1, 2])
    tensor([0, 1])""",
    "asserts": f">>> assert top_labels({TWO}, 2).tolist() == [[1, 2], [0, 1]]",
    "a rule for random logits": """>>> logits = torch.randn(50, 10)
    >>> top = top_labels(logits, 4)
    >>> torch.equal(logits.gather(1, top), logits.sort(1).values.flip(1)[:, :4])
    True""",
}
# Which of equal logits comes first is left to torch.
TIES = torch.tensor([[1.0, 0.0] * 9]).topk(3, dim=1).indices.tolist()
WRONG_11_2 = {
    "on one line": (
        f">>> top_labels({TWO}, 2)\n    tensor([[1, 2], [0, 1]])",
        "[0, 1]])\n\ninstead of\n\n    tensor([[1, 2], [0, 1]])\n\nof which only space",
    ),
    "one column too far": (
        f">>> top_labels({TWO}, 2)\n    tensor([[1, 2],\n           [0, 1]])",
        "instead of\n\n    tensor([[1, 2],\n           [0, 1]])\n\nof which only space",
    ),
    "another number in two lines": (
        f">>> top_labels({TWO}, 2)\n    tensor([[1, 2],\n            [0, 2]])",
        "instead of\n\n    tensor([[1, 2],\n            [0, 2]])\n\nas written. Correc",
    ),
    "the same image twice": (
        ">>> top_labels(torch.tensor([[-9.0, 3.0, 1.0]] * 2), 2).tolist()\n"
        "    [[1, 2], [1, 2]]",
        "a wrong version that gives every image the labels of the first.",
    ),
    "other shapes": (
        ">>> top_labels(torch.zeros(5, 10), 4).shape\n    torch.Size([5, 4])",
        "pass with a wrong version that returns the labels of the smallest logits.",
    ),
    "prose only": ("For example, the labels 1 and 2.", "holds no example that runs."),
    "skipped": (
        f">>> top_labels({TWO}, 2).tolist()  # doctest: +SKIP\n    [[1, 2], [0, 1]]",
        "The docstring holds no example that runs.",
    ),
    "one image": (
        ">>> top_labels(torch.tensor([[-9.0, 3.0, 1.0]]), 2).tolist()\n    [[1, 2]]",
        "a wrong version that gives every image the labels of the first. Add a case",
    ),
    "k is 1": (
        ">>> top_labels(torch.tensor([[-9.0, 3.0], [4.0, 1.0]]), 1).tolist()\n"
        "    [[1], [0]]",
        "a wrong version that returns the right labels, the smallest first.",
    ),
    "positive logits": (
        ">>> top_labels(torch.tensor([[1.0, 3.0], [4.0, 2.0]]), 2).tolist()\n"
        "    [[1, 0], [0, 1]]",
        "a wrong version that looks at the size of logits and not at their sign.",
    ),
    "a set": (
        f">>> [set(each) for each in top_labels({TWO}, 2).tolist()]\n"
        "    [{1, 2}, {0, 1}]",
        "a wrong version that returns the right labels, the smallest first.",
    ),
    "an answer that is not true": (
        f">>> top_labels({TWO}, 2).tolist()\n    [[2, 1], [0, 1]]",
        "With your own function `top_labels(torch.tensor([[0.0, 3.0, 1.0], [2.0, 1.0",
    ),
    "does not show the answer": (
        f">>> top_labels({TWO}, 2).tolist()",
        "gave `[[1, 2], [0, 1]]` instead of `nothing`",
    ),
    "assigns the answer": (
        f">>> _ = top_labels({TWO}, 2)",
        "All examples pass with a wrong version that returns the labels of the small",
    ),
    "calls it with too little": (
        f">>> top_labels({TWO})\n    3",
        "gave `TypeError: ",
    ),
    "chance that shows now and then": (
        ">>> int(torch.rand(()) < 0.6)\n    1",
        "Now and then `int(torch.rand(()) < 0.6)` gave `0` instead of `1`. Leave",
    ),
    "chance": (
        ">>> top_labels(torch.rand(1, 3), 1).tolist()\n    [[0]]",
        "gave `[[",
    ),
    "equal logits": (
        f">>> top_labels({TWO}, 2).tolist()\n    [[1, 2], [0, 1]]\n"
        "    >>> top_labels(torch.tensor([[1.0, 0.0] * 9]), 3).tolist()\n"
        f"    {TIES}",
        "Another right version sorts. There `top_labels(torch.tensor([[1.0, 0.0]",
    ),
    "a line out of place": (
        f">>> top_labels(\n{TWO}, 2)",
        "An example of your docstring raised ValueError: line",
    ),
    "leaves Python": (">>> raise SystemExit", "left Python with `exit`"),
}


OTHER_CODE = {
    "no docstring": (
        "def top_labels(logits, k):\n    return logits.topk(k, dim=1).indices",
        "The docstring holds no example that runs. Write a call",
    ),
    "another function": (
        TOP.replace("topk(k, dim=1)", "topk(k, dim=1, largest=False)"),
        "The function no longer returns top labels. Put its code back;",
    ),
    "a function that raises": (
        TOP.replace("return logits", "return logit"),
        "top_labels raised NameError: name 'logit' is not defined (line ",
    ),
    "a class": ("class Top:\n    k = 1", "Expected a function but got type;"),
}


def knows(body, init=""):
    lines = ["class KnowsItself(LooksItUp):"]
    if init:
        lines += [
            "    def __init__(self, learning_rate=0.001):",
            "        super().__init__(learning_rate=learning_rate)",
            *(f"        {line}" for line in init.splitlines()),
        ]
    step = """
def training_step(self, batch, batch_idx):
    return F.cross_entropy(self(batch[0]), batch[1])
"""
    lines += [f"    {line}" for line in (body + step).splitlines()]
    return "\n".join(lines)


SIZE = """
@property
def size_in_bytes(self):
    return sum(t.nbytes for t in [*self.parameters(), *self.buffers()])
"""
RATE = """
@property
def current_lr(self):
    if self._trainer is None or not self.trainer.optimizers:
        return None
    return self.trainer.optimizers[0].param_groups[0]["lr"]
"""
OWN_OPTIMIZER = """
def configure_optimizers(self):
    self.used = torch.optim.SGD(self.parameters(), lr=0.1)
    return [self.used], [torch.optim.lr_scheduler.StepLR(self.used, 1, 0.5)]
@property
def current_lr(self):
    return self.used.param_groups[0]["lr"] if self.used else None
"""
LAST = "lr_schedulers().get_last_lr()[0]"
TWO_RATES = """
def configure_optimizers(self):
    parts = self.encoder, self.head
    return [torch.optim.SGD(part.parameters(), lr=0.1) for part in parts]
"""
BACKWARD = """
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
"""
RIGHT_11_3 = {
    "nbytes, private trainer": knows(SIZE + RATE),
    "keeps the optimizer": knows(SIZE + OWN_OPTIMIZER, "self.used = None"),
    "asks whether it trains": knows(
        SIZE
        + """
@property
def current_lr(self):
    trains = self._trainer is not None and self.trainer.training
    return self.optimizers().param_groups[0]["lr"] if trains else None
"""
    ),
    "the scheduler's last rate": knows(
        SIZE + RATE.replace('trainer.optimizers[0].param_groups[0]["lr"]', LAST)
    ),
    "adds up in a tensor": knows(
        SIZE.replace("sum(", "int(torch.tensor([").replace("()])", "()]]).sum())")
        + RATE
    ),
    "asks the storage": knows(
        SIZE.replace("t.nbytes", "t.untyped_storage().nbytes()") + RATE
    ),
    "two optimizers by hand": knows(
        SIZE + RATE + TWO_RATES, "self.automatic_optimization = False"
    ).replace("return F", "loss = F")
    + BACKWARD,
    "a base class between": knows(SIZE).replace("KnowsItself", "Sized")
    + "\n"
    + knows(RATE).replace("(LooksItUp)", "(Sized)"),
    "counts with NumPy": knows(
        SIZE.replace("t.nbytes", "np.prod(t.shape) * t.element_size()") + RATE
    ),
    "computed on request by __getattr__": knows(
        RATE
        + """
def __getattr__(self, name):
    if name == "size_in_bytes":
        tensors = [*self.parameters(), *self.buffers()]
        return sum(t.numel() * t.element_size() for t in tensors)
    return super().__getattr__(name)
"""
    ),
    "the setting as a property with a setter": knows(
        SIZE
        + RATE
        + """
@property
def learning_rate(self):
    return self.hparams.learning_rate
@learning_rate.setter
def learning_rate(self, value):
    self.hparams.learning_rate = value
"""
    ),
}
WRONG_11_3 = {
    "the setting as a property without a setter": (
        knows(
            SIZE
            + RATE
            + "@property\ndef learning_rate(self):\n"
            + "    return self.hparams.learning_rate\n"
        ),
        "The learning-rate finder cannot store its result. lr_find raised AttributeErr",
    ),
    "cosmetic: a property that reads a note": (
        knows(
            "@property\ndef size_in_bytes(self):\n    return self.noted\n" + RATE,
            "self.noted = 4 * sum(p.numel() for p in self.parameters())",
        ),
        "With another head size_in_bytes says 203560; it is 201740. It should be the m",
    ),
    "renames": (
        knows(
            RATE,
            "n = sum(p.numel() for p in self.parameters())\nself.size_in_bytes = 4 * n",
        ),
        "With another head size_in_bytes says",
    ),
    "cached": (
        knows(
            SIZE.replace("@property", "@__import__('functools').cached_property") + RATE
        ),
        "With another head size_in_bytes says",
    ),
    "forgets buffers": (
        knows(SIZE.replace(", *self.buffers()", "") + RATE),
        "With a buffer that is not saved size_in_bytes says",
    ),
    "always four bytes": (
        knows(SIZE.replace("t.nbytes", "4 * t.numel()") + RATE),
        "After half() size_in_bytes says",
    ),
    "trained weights only": (
        knows(
            SIZE.replace(
                "for t in [*self.parameters(), *self.buffers()]",
                "for t in [*self.parameters(), *self.buffers()]"
                " if t.requires_grad or t.shape == (784,)",
            )
            + RATE
        ),
        "With a frozen encoder size_in_bytes says",
    ),
    "counts a part twice": (
        knows(
            SIZE.replace(
                "[*self.parameters(), *self.buffers()]",
                "[*(p for m in self.children() for p in m.parameters()), "
                "*(p for p in (self.again.parameters() if hasattr(self, 'again')"
                " else [])), *self.buffers()]",
            )
            + RATE
        ),
        "With a part used twice size_in_bytes says",
    ),
    "its parts only": (
        knows(
            SIZE.replace(
                "[*self.parameters(), *self.buffers()]",
                "{p for m in self.children() for p in m.parameters()} | "
                "set(self.buffers())",
            )
            + RATE
        ),
        "With a parameter outside its parts size_in_bytes says 204876; it is 204916.",
    ),
    "its own buffers only": (
        knows(SIZE.replace("self.buffers()", "self._buffers.values()") + RATE),
        "With a part inside a part size_in_bytes says",
    ),
    "one size of number": (
        knows(
            SIZE.replace("t.nbytes", "t.numel() * self.head.bias.element_size()") + RATE
        ),
        "With a part inside a part size_in_bytes says",
    ),
    "what is saved": (
        knows(
            SIZE.replace(
                "[*self.parameters(), *self.buffers()]", "self.state_dict().values()"
            )
            + RATE
        ),
        "With a buffer that is not saved size_in_bytes says 201740; it is 204876.",
    ),
    "the first rate": (
        knows(SIZE + RATE.replace('["lr"]', '["initial_lr"]')),
        "wrong at 15 of 16 updates: before update 2 it said 0.00004, the rate was 0.00",
    ),
    "the highest rate": (
        knows(SIZE + RATE.replace('["lr"]', '["max_lr"]')),
        "wrong at 16 of 16 updates: before update 1 it said 0.00100, the rate was 0.00",
    ),
    "a little off": (
        knows(SIZE.replace("sum(", "0.5 + sum(") + RATE),
        "At first size_in_bytes says 203560.5; it is 203560.",
    ),
    "no size": (knows(RATE), "object has no attribute 'size_in_bytes'"),
    "a rate in words": (
        knows(SIZE + "@property\ndef current_lr(self):\n    return '0.1'"),
        "wrong at 16 of 16 updates: before update 1 it said '0.1', the rate was",
    ),
    "zero when it only predicts": (
        knows(
            SIZE
            + RATE.replace(" or not self.trainer.optimizers", "").replace(
                "    return self.",
                "    if not self.trainer.optimizers:\n        return 0.0\n"
                "    return self.",
            )
        ),
        "In a Trainer that only predicts current_lr says 0.0; it is None.",
    ),
    "megabytes": (
        knows(SIZE.replace("t.nbytes", "t.nbytes / 2**20") + RATE),
        "At first size_in_bytes says 0.19",
    ),
    "a method": (
        knows(SIZE.replace("@property", "") + RATE),
        "Expected size_in_bytes to be read like an attribute but it is a method;",
    ),
    "copies all weights": (
        knows(SIZE.replace("t.nbytes", "t.clone().nbytes") + RATE),
        "Reading size_in_bytes copies 4 tensors of weights.",
    ),
    "stores what it counted": (
        knows(
            SIZE.replace(
                "    return",
                "    self.stored = 1\n    return",
            )
            + RATE
        ),
        "Reading size_in_bytes stores `stored` in the module.",
    ),
    "a typing error inside": (
        knows(SIZE.replace("self.buffers", "self.bufers") + RATE),
        "object has no attribute 'bufers'",
    ),
    "the rate asked for": (
        knows(
            SIZE
            + "@property\ndef current_lr(self):\n"
            + "    return self.hparams.learning_rate\n"
        ),
        "current_lr was wrong at 16 of 16 updates: before update 1 it said 0.00100,"
        " the rate was 0.00004. It should be the next update's rate, at any time.",
    ),
    "a rate noted at the start": (
        knows(
            SIZE
            + "def on_train_start(self):\n"
            + "    self.current_lr = self.optimizers().param_groups[0]['lr']\n",
            "self.current_lr = None",
        ),
        "current_lr was wrong at 15 of 16 updates",
    ),
    "needs a Trainer": (
        knows(
            SIZE
            + "@property\ndef current_lr(self):\n"
            + "    return self.optimizers().param_groups[0]['lr']\n"
        ),
        "Reading current_lr raised RuntimeError: ",
    ),
    "needs an optimizer": (
        knows(SIZE + RATE.replace(" or not self.trainer.optimizers", "")),
        "Reading current_lr raised IndexError: list index out of range",
    ),
    "zero for none": (
        knows(SIZE + RATE.replace("return None", "return 0.0")),
        "Without a Trainer current_lr says 0.0; it is None.",
    ),
    "a function": ("def answer():\n    return 1", "Expected a LightningModule class"),
    "does not build": (
        knows(SIZE + RATE, "self.current_lr = None"),
        "__init__ raised AttributeError",
    ),
}


SHOWN = f">>> top_labels({TWO}, 2).tolist()\n    [[1, 2], [0, 1]]"


@each_answer(
    "practice, source",
    {
        "11.1": {n: classifier(a) for n, a in RIGHT_11_1.items()}
        | {"a base class between": BETWEEN},
        "11.2": {n: TOP.format(a) for n, a in RIGHT_11_2.items()},
        "11.3": RIGHT_11_3,
    },
)
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer(
    "practice, source, message",
    {
        "11.1": {n: (classifier(a), m) for n, (a, m) in WRONG_11_1.items()},
        "11.2": {n: (TOP.format(a), m) for n, (a, m) in WRONG_11_2.items()}
        | {n: (a.format(SHOWN), m) for n, (a, m) in OTHER_CODE.items()},
        "11.3": WRONG_11_3,
    },
)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)


def product(doc):
    """Return a function with ``doc`` as its docstring."""

    def times(x, y):
        return x * y

    times.__doc__ = doc
    return times


def test_an_announced_error_is_an_example_too():
    doc = ">>> times(None, 2)\nTraceback (most recent call last):\nTypeError: ..."
    assert run_examples(product(doc)).count == 1


def test_a_time_limit_is_not_taken_for_a_failed_example():
    class Limit(BaseException):
        pass

    with pytest.raises(Limit):
        run_examples(product(">>> raise Limit"), Limit=Limit)


def test_counts_agree_with_doctest_itself():
    function = product(">>> times(1, 1)\n1\n>>> times(2, 2)\n5\n>>> times(3, 3)\n9\n")
    runner = doctest.DocTestRunner(verbose=False)
    [test] = doctest.DocTestFinder().find(function, "times", globs={"times": function})
    oracle = runner.run(test, out=lambda _: None)
    ran = run_examples(function)
    assert (ran.count, ran.failed) == (oracle.attempted, oracle.failed) == (3, 1)


def test_a_class_and_its_method_each_have_their_examples():
    class Pair:
        """Two numbers.

        >>> Pair().total()
        3
        """

        def total(self):
            """Return 3.

            >>> 1 + 1
            2
            """
            return 3

    assert run_examples(Pair) == Examples(1, 0, "")
    assert run_examples(Pair.total) == Examples(1, 0, "")


def test_running_examples_leaves_no_trace(capsys):
    before = torch.get_rng_state()
    run_examples(product(">>> import torch\n>>> _ = torch.rand(3)\n>>> print(1)\n2"))
    assert torch.equal(before, torch.get_rng_state())
    assert capsys.readouterr().out == ""


def test_print_options_of_the_kernel_neither_decide_nor_change():
    torch.set_printoptions(precision=2)
    try:
        doc = (
            ">>> torch.tensor([1 / 3])\ntensor([0.3333])\n>>> torch.set_printoptions(1)"
        )
        assert run_examples(product(doc)) == Examples(2, 0, "")
        assert str(torch.tensor([1 / 3])) == "tensor([0.33])"
    finally:
        torch.set_printoptions(profile="default")
