"""Answers to the exercise of the start page, right and wrong, and what each is told."""

import textwrap

from learner import assert_correct, assert_incorrect, each_answer


def accuracy(before="", after="", preds="model(images).argmax(1)"):
    """Return an answer with lines before and after the forward pass."""
    lines = [*textwrap.dedent(before).strip().splitlines(), f"preds = {preds}"]
    lines += textwrap.dedent(after).strip().splitlines()
    lines.append(f"return {SHARE}")
    head = "@torch.no_grad()\ndef tidy_accuracy(model, images, labels):\n"
    return head + textwrap.indent("\n".join(lines), "    ")


SHARE = "(preds == labels).float().mean().item()"
EACH = "modes = {part: part.training for part in model.modules()}\nmodel.eval()"
BACK = "for part, mode in modes.items():\n    part.training = mode"
RIGHT = {
    "a mode for each part": accuracy(EACH, BACK),
    "a copy": accuracy("model = copy.deepcopy(model).eval()"),
    "a tensor": accuracy(EACH, BACK).replace(".item()", ""),
    "a number of NumPy": accuracy(EACH, BACK).replace(
        f"return {SHARE}", "return np.float32((preds == labels).numpy().mean())"
    ),
    "train from the root down": accuracy(
        EACH, "for part, mode in modes.items():\n    part.train(mode)"
    ),
    "by recursion, one image at a time": """
def set_modes(part, modes=None):
    mode = (part.training, [])
    part.training = False if modes is None else modes[0]
    for i, child in enumerate(part.children()):
        mode[1].append(set_modes(child, modes and modes[1][i]))
    return mode

def tidy_accuracy(model, images, labels):
    before = set_modes(model)
    with torch.inference_mode():
        right = [int(model(i[None]).argmax()) == int(k) for i, k in zip(images, labels)]
    set_modes(model, before)
    return sum(right) / len(right)
""",
    "a callable object, on the model's device": """
class Restores:
    def __init__(self, model):
        self.modes = {name: m.training for name, m in model.named_modules()}
    def __enter__(self):
        pass
    def __exit__(self, *_):
        for name, mode in self.modes.items():
            self.model.get_submodule(name).training = mode

class Tidy:
    def __call__(self, model, images, labels):
        restores = Restores(model)
        restores.model = model
        with restores, torch.no_grad():
            model.eval()
            logits = model(images.to(model.device)).cpu()
        return torchmetrics.functional.accuracy(
            logits, labels, task="multiclass", num_classes=10)

tidy = lambda *args: Tidy()(*args)
""",
}
WRONG = {
    "cosmetic: renamed": (
        accuracy(preds="model(images).max(dim=1).indices"),
        # The exact value before it is of this machine's rounding.
        "While it measured, the model was in training mode. Measure with every part "
        "in evaluation mode.",
    ),
    "training mode afterwards": (
        accuracy("model.eval()", "model.train()"),
        "A model that came in evaluation mode left with every part in training mode.",
    ),
    "evaluation mode afterwards": (
        accuracy("model.eval()"),
        "A model that came in training mode left with every part in evaluation mode.",
    ),
    "the mode of the whole, not of its parts": (
        accuracy("was = model.training\nmodel.eval()", "model.train(was)"),
        "with only its root in training mode left with encoder in training mode",
    ),
    "direct children only": (
        accuracy(
            "modes = [c.training for c in model.children()]\nmodel.eval()",
            "model.training = True\n"
            "for c, mode in zip(model.children(), modes): c.train(mode)",
        ),
        "A model that came in evaluation mode left with its root in training mode.",
    ),
    "root and direct children only": (
        accuracy(
            "was, modes = model.training, [c.training for c in model.children()]\n"
            "model.eval()",
            "model.training = was\n"
            "for c, mode in zip(model.children(), modes): c.train(mode)",
        ),
        "with only encoder in training mode left with encoder.0 in training mode",
    ),
    "from the leaves up": (
        accuracy(
            EACH,
            "for part, mode in reversed(modes.items()):\n    part.train(mode)",
        ),
        "Give each part, at any depth, back the mode it came in.",
    ),
    "dropout only": (
        accuracy(
            "modes = {p: p.training for p in model.modules()\n"
            "    if isinstance(p, nn.Dropout)}\n"
            "for part in modes: part.eval()",
            BACK,
        ),
        "these parts were in training mode: BatchNorm1d, Flatten, HidesUnits, Li",
    ),
    "the known layers only": (
        accuracy(
            "modes = {p: p.training for p in model.modules()\n"
            "    if isinstance(p, (nn.Dropout, nn.BatchNorm1d))}\n"
            "for part in modes: part.eval()",
            BACK,
        ),
        "these parts were in training mode: Flatten, HidesUnits, Linear, "
        "NestedClassifier, ReLU, Sequential.",
    ),
    "per cent": (
        accuracy(EACH, BACK).replace("return", "return 100 *"),
        "all parts were in evaluation mode. Return the share of images that are",
    ),
    "an image count written out": (
        accuracy(EACH, BACK).replace(SHARE, "(preds == labels).sum().item() / 200"),
        "It returned 0.",
    ),
    "freezes the model": (
        accuracy(EACH + "\nmodel.requires_grad_(False)", BACK),
        "encoder.1.weight, encoder.1.bias",
    ),
    "leaves gradients": (
        accuracy(
            EACH + "\nwith torch.enable_grad():\n    model(images).sum().backward()",
            BACK,
        ),
        "head.1.bias got a gradient. Measuring needs a forward pass only.",
    ),
    "updates running statistics afterwards": (
        accuracy(EACH, BACK + "\nmodel(images)"),
        "encoder.2.0.running_mean, encoder.2.0.running_var, "
        "encoder.2.0.num_batches_tracked changed values.",
    ),
    "text": (
        accuracy(EACH, BACK).replace(
            "(preds == labels).float().mean().item()", "'0.9'"
        ),
        "Expected it to return a number but got '0.9'.",
    ),
    "nothing": (
        accuracy(EACH, BACK).replace(f"return {SHARE}", f"share = {SHARE}"),
        "Expected it to return a number but got None.",
    ),
    "raises": (accuracy("model.evaluate()"), "has no attribute 'evaluate'"),
    "a class": ("class Tidy: pass", "Expected a function but got type"),
}


@each_answer("practice, source", {"0.1": RIGHT})
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer("practice, source, message", {"0.1": WRONG})
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)
