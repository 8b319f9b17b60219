"""Three hints for each symptom, from a nudge to nearly the repair."""

HINTS: dict[str, tuple[str, str, str]] = {
    "1.2": (
        "A Trainer calls `setup` for each stage. What does it do the second time?",
        "`random_split` draws from the global generator, and draws again at each call.",
        "Give `random_split` its own generator, seeded with `self.seed`.",
    ),
    "12.5": (
        "Follow one digit through `__getitem__`, in the first epoch and in the second.",
        "`self.digits[index]` is a view: it shares its memory with `self.digits`.",
        "Erase the patch in a copy: `self.digits[index].clone()`.",
    ),
    "13.4": (
        "How many times is an image converted in one batch of 32?",
        "Return the digit as it is stored, and convert where the batch is made.",
        "A `collate_fn` gets the 32 samples: stack them, then divide once by 255.",
    ),
    "2.3": (
        "Which numbers does `forward` need, and which of them are in `state_dict()`?",
        "`self.mean` and `self.std` are plain tensors, which a module does not track.",
        'Make each a buffer: `self.register_buffer("mean", torch.tensor(0.5))`.',
    ),
    "3.1": (
        "How does `load_from_checkpoint` know which dropout to build the model with?",
        "It reads the hyperparameters in the file. Who writes them there?",
        "Call `self.save_hyperparameters()` at the start of `__init__`.",
    ),
    "7.4": (
        "What grows with every batch, and is never read?",
        "A loss without a backward pass keeps everything that its graph has saved.",
        "Append the number without its graph: `.detach()`, or compute it without one.",
    ),
    "4.2": (
        "Which loss does the early stop get to see at the end of an epoch?",
        "Training and validation log under one name, and the later one stays.",
        'Log "train/loss" and "val/loss", and let the early stop watch the second.',
    ),
    "3.3": (
        "Change the default of `lr`. What changes in the run?",
        "Look at every number in `configure_optimizers`; there are two.",
        "Use `self.lr` in the optimizer and as the peak of OneCycleLR, which ignores "
        "the optimizer's.",
    ),
    "4.4": (
        "Compare the number of rates with the number of epochs.",
        "Lightning steps a scheduler once per epoch unless you say otherwise.",
        'Return {"scheduler": plan, "interval": "step"} in place of the plan.',
    ),
    "5.1": (
        "What is random in a run, and in which order is it drawn?",
        "The first weights are drawn when the model is built.",
        "Seed everything before `make_model()` is called.",
    ),
    "8.1": (
        "What is the norm of a gradient of 100,000 numbers, each of them below 1?",
        "Clipping by value looks at each number alone. Nothing here is above 1.",
        "Clip by the norm, which is the Trainer's default algorithm.",
    ),
    "9.1": (
        "Which epoch does the checkpoint callback take for the best? And what would "
        "be on the disk if the power failed late in the run?",
        '`mode` is "min" by default, and you monitor an accuracy. For the newest '
        "epoch, `save_last=True` is not enough: it saves when a best one is saved.",
        'mode="max", and a second ModelCheckpoint with filename="last", no monitor '
        "and enable_version_counter=False.",
    ),
    "9.2": (
        "What besides weights does a run need to continue where it was?",
        "The optimizer, its schedule and the epoch are in the same file.",
        "Let the Trainer restore all of it: fit(..., ckpt_path=resume).",
    ),
    "0.1": (
        "In which mode does `fit` leave a model?",
        "The dropout is still at work while `evaluate` counts.",
        "Call `model.eval()` before the loop.",
    ),
    "12.4": (
        "A test set of 129 digits makes batches of 128 and 1. Who has how many votes?",
        "The mean of the batches' means counts a small batch as much as a large one.",
        "Collect one number per image, join them with `torch.cat`, average once.",
    ),
    "10.1": (
        "Which images have chosen the best epoch, and which are in the report?",
        "The report is for the test set, read once, with the weights that you ship.",
        'Load the best file\'s "state_dict" into the model, then evaluate it on '
        "`data.test_dataloader()`.",
    ),
}
