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
}
WRONG = {
    "cosmetic: renamed": (
        accuracy(preds="model(images).max(dim=1).indices"),
        "for a model in training mode; the exact value is",
    ),
    "training mode afterwards": (
        accuracy("model.eval()", "model.train()"),
        "A model that came in evaluation mode did not leave that way.",
    ),
    "evaluation mode afterwards": (
        accuracy("model.eval()"),
        "A model that came in training mode did not leave that way.",
    ),
    "the mode of the whole, not of its parts": (
        accuracy("was = model.training\nmodel.eval()", "model.train(was)"),
        "A model that came with one part in evaluation mode did not leave that way. "
        "Save the mode of each part first, and restore it afterwards.",
    ),
    "freezes the model": (
        accuracy(EACH + "\nmodel.requires_grad_(False)", BACK),
        "Weights, buffers or gradients changed while you measured.",
    ),
    "text": (
        accuracy(EACH, BACK).replace(
            "(preds == labels).float().mean().item()", "'0.9'"
        ),
        "raised TypeError: expected it to return a number but got '0.9'",
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
