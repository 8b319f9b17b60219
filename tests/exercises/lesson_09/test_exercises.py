"""Answers to the exercises of lesson 09, right and wrong, and what each is told."""

import lightning as L
from learner import assert_correct, assert_incorrect, each_answer
from lightning.pytorch.callbacks import ModelCheckpoint

from course_utils.exercises.lesson_09.files_after_kill import (
    SavedCheckpoint,
    checkpoints_after_kill,
    keeps_the_best,
    keeps_the_last,
    saves_in_folder,
)
from course_utils.exercises.lesson_09.killed_job import call_job
from course_utils.hardware import quiet_trainer

LAST = 'ModelCheckpoint(dirpath=folder, filename="last", enable_version_counter=False'
BEST = 'ModelCheckpoint(dirpath=folder, monitor="val_acc", mode="max"'


def function(name, *lines):
    return "\n".join([f"def {name}:", *(f"    {line}" for line in lines)])


def room(*lines):
    return function("room_for_two(folder)", *lines)


OWN_CALLBACK = """
class Keeps(L.Callback):
    def __init__(self, folder):
        self.folder, self.best = folder, 0.0
    def on_validation_end(self, trainer, module):
        if trainer.sanity_checking:
            return
        trainer.save_checkpoint(f"{self.folder}/new.ckpt")
        if trainer.callback_metrics["val_acc"] > self.best:
            self.best = trainer.callback_metrics["val_acc"]
            trainer.save_checkpoint(f"{self.folder}/best.ckpt")
def room_for_two(folder):
    return Keeps(folder)
"""
RIGHT_9_1 = {
    "two callbacks": room(f"return [{BEST}), {LAST})]"),
    "in another order, in folders": room(
        'top = ModelCheckpoint(folder + "/top", monitor="val_acc", mode="max")',
        'return (ModelCheckpoint(folder + "/new"), top)',
    ),
    "a callback of one's own": OWN_CALLBACK,
    "saves each step": room(f"return [{BEST}), {LAST}, every_n_train_steps=1)]"),
    "the newest is the one of the highest epoch": room(
        "watched = {'val_acc': 'best', 'epoch': 'newest'}",
        "return [ModelCheckpoint(folder, name, monitor=each, mode='max')",
        "        for each, name in watched.items()]",
    ),
    "the newest first": room(f"return [{LAST}), {BEST})]"),
    "the newest before its validation": room(
        f"return [{LAST}, every_n_train_steps=2), {BEST})]"
    ),
    "a subclass, and a generator made a list": (
        "class Keeps(ModelCheckpoint):\n"
        "    def __init__(self, folder, **options):\n"
        "        options.setdefault('filename', 'new')\n"
        "        super().__init__(dirpath=folder, **options)\n"
    )
    + room(
        "options = {}, {'monitor': 'val_acc', 'mode': 'max', 'filename': 'best'}",
        "return list(Keeps(folder, **each) for each in options)",
    ),
    "a partial": "import functools\n"
    "def keeps(metric, folder):\n"
    f"    return {BEST.replace(chr(34) + 'val_acc' + chr(34), 'metric')}), {LAST})\n"
    "room_for_two = functools.partial(keeps, 'val_acc')",
    "state dicts and a note, written by hand": """
class Keeps(L.Callback):
    def __init__(self, folder):
        self.folder, self.best = Path(folder), -1.0
    def on_validation_epoch_end(self, trainer, module):
        if trainer.sanity_checking:
            return
        score = float(trainer.callback_metrics["val_acc"])
        if score > self.best:
            self.best = score
            torch.save(module.state_dict(), self.folder / "best.pt")
            (self.folder / "best.txt").write_text(str(score))
    def on_train_epoch_end(self, trainer, module):
        trainer.save_checkpoint(self.folder / "newest.ckpt")
def room_for_two(folder):
    return [Keeps(folder)]
""",
    "a link beside them": room(
        f'return [{BEST}, save_last="link"), {LAST.replace("last", "newest")})]'
    ),
    "the best without what a resume needs": room(
        f"return [{BEST}, save_weights_only=True), {LAST})]"
    ),
}
WRONG_9_1 = {
    "cosmetic: the mode is right": (
        room(f"return [{BEST}, save_last=True)]"),
        "Killed after 7 epochs, the run leaves nothing newer than epoch 2",
    ),
    "only renamed": (
        room(
            'newest = ModelCheckpoint(dirpath=folder, monitor="val_acc", '
            'filename="last", save_last=True)',
            "return [newest]",
        ),
        "The best epoch, 2 of 7, is not kept",
    ),
    "the newest in no folder": (
        room(f"return [{BEST}), {LAST.replace('dirpath=folder, ', '')})]"),
        "1 of 2 checkpoints are not in the folder that your function is given. Save "
        "all of them there: dirpath=folder.",
    ),
    "the best in no folder": (
        room(f"return [{BEST.replace('dirpath=folder, ', '')}), {LAST})]"),
        "1 of 2 checkpoints are not in the folder",
    ),
    "all beside the folder": (
        room(f"return [{BEST}), {LAST})]".replace("folder", "folder + '-mine'")),
        "2 of 2 checkpoints are not in the folder",
    ),
    "upside down": (
        room(f'return [ModelCheckpoint(folder, monitor="val_acc"), {LAST})]'),
        "The best epoch, 2 of 7, is not kept",
    ),
    "a link": (
        room(f'return [{BEST}, save_last="link")]'),
        "nothing newer than epoch 2 to go on from",
    ),
    "only the newest": (
        room(f"return [{LAST})]"),
        "The best epoch, 2 of 7, is not kept. Of all epochs so far, keep",
    ),
    "everything": (
        room(f"return [{BEST}, save_top_k=-1, save_last=True)]"),
        "The disk holds 8 checkpoints. There is room for 2",
    ),
    "weights only": (
        room(f"return [{BEST}), {LAST}, save_weights_only=True)]"),
        "its last weights without what is needed to go on",
    ),
    "waits for an exception": (
        room(f"return [{BEST}, save_on_exception=True)]"),
        "nothing newer than epoch 2",
    ),
    "every second epoch": (
        room(f"return [{BEST}), {LAST}, every_n_epochs=2)]"),
        "Killed after 7 epochs, the run leaves nothing newer than epoch 6",
    ),
    "the two best": (
        room(f"return [{BEST}, save_top_k=2), {LAST})]"),
        "The disk holds 3 checkpoints. There is room for 2: delete older ones.",
    ),
    "three files": (
        room(f"return [{BEST}, save_last=True), {LAST.replace('last', 'new')})]"),
        "The disk holds 3 checkpoints.",
    ),
    "only the best": (room(f"return [{BEST})]"), "nothing newer than epoch 2"),
    "only what save_last keeps": (
        room(f"return [{BEST}, save_top_k=0, save_last=True)]"),
        "leaves nothing to go on from",
    ),
    "the same file twice": (
        room(f"return [{LAST}), {LAST})]"),
        "Training raised RuntimeError",
    ),
    "stops early": (
        room(
            "from lightning.pytorch.callbacks import EarlyStopping",
            "return [EarlyStopping('val_acc', mode='max', patience=1)]",
        ),
        "A callback ended the run early",
    ),
    "an empty list": (room("return []"), "leaves nothing to go on from"),
    "another metric": (
        room(f"return [{BEST.replace('val_acc', 'acc')}), {LAST})]"),
        "Training raised MisconfigurationException",
    ),
    "returns nothing": (
        room(f"[{BEST}), {LAST})]"),
        "Expected a list of callbacks but got NoneType",
    ),
    "saved while training, judged by the epoch before": (
        room(f"return [{BEST}, every_n_train_steps=2), {LAST})]"),
        "The best epoch, 2 of 7, is not kept; the file of epoch 3 was written before "
        "its value existed. Save after the validation that judges the weights.",
    ),
    "the same, the newest first": (
        room(f"return [{LAST}), {BEST}, every_n_train_steps=2)]"),
        "the file of epoch 3 was written before its value existed.",
    ),
    "the best of every second epoch": (
        room(f"return [{BEST}, every_n_epochs=2), {LAST})]"),
        "The best epoch, 5 of 6, is not kept. Of all epochs so far, keep",
    ),
    "remembers the first score only": (
        OWN_CALLBACK.replace("self.best = trainer", "self.first = trainer"),
        "The best epoch, 2 of 7, is not kept",
    ),
    "the best of the last three": (
        OWN_CALLBACK.replace(
            "if trainer.callback",
            "if trainer.current_epoch % 3 == 0: self.best = 0.0\n"
            "        if trainer.callback",
        ),
        "The best epoch, 2 of 7, is not kept",
    ),
    "the newest by hand, weights only": (
        OWN_CALLBACK.replace(
            'trainer.save_checkpoint(f"{self.folder}/new.ckpt")',
            'torch.save(module.state_dict(), f"{self.folder}/new.pt")',
        ),
        "its last weights without what is needed to go on. Save the optimizer's state",
    ),
    "the newest at the end only": (
        OWN_CALLBACK.replace(
            '        trainer.save_checkpoint(f"{self.folder}/new.ckpt")\n', ""
        ).replace(
            "def room",
            "    def on_fit_end(self, trainer, module):\n"
            "        trainer.save_checkpoint(self.folder + '/new.ckpt')\ndef room",
        ),
        "nothing newer than epoch 2",
    ),
    "raises": (room("return folder.best"), "raised AttributeError"),
    "a class": (
        "class room_for_two:\n    pass",
        "Expected a function but got type",
    ),
}


def job(*lines):
    return function("job(model, loader, folder)", *lines)


TRAINER = (
    "options = quiet_trainer(accelerator='cpu', enable_checkpointing=True)",
    "trainer = L.Trainer(max_epochs=4, callbacks=[saves], **options)",
)
SAVES = f"saves = {LAST})"
RESUMES = "trainer.fit(model, loader, ckpt_path='last')"


def at_train_start(line):
    """Return a job that is right but for what it does at the start of training."""
    return job(
        "class Meddles(L.Callback):",
        "    def on_train_start(self, trainer, module):",
        f"        {line}",
        SAVES,
        TRAINER[0],
        TRAINER[1].replace("[saves]", "[saves, Meddles()]"),
        RESUMES,
    )


RIGHT_9_2 = {
    "last": job(SAVES, *TRAINER, RESUMES),
    "asks for the file": job(
        SAVES,
        *TRAINER,
        "path = f'{folder}/last.ckpt' if os.listdir(folder) else None",
        "trainer.fit(model, loader, ckpt_path=path)",
    ),
    "keeps all and takes the newest": job(
        "saves = ModelCheckpoint(folder, '{epoch:03d}', save_top_k=-1)",
        *TRAINER,
        "files = sorted(os.listdir(folder))",
        "path = os.path.join(folder, files[-1]) if files else None",
        "trainer.fit(model, loader, ckpt_path=path)",
    ),
    "a Trainer for each epoch": job(
        "file = f'{folder}/run.ckpt'",
        "done = torch.load(file)['epoch'] if os.path.exists(file) else 0",
        "for epochs in range(done + 1, 5):",
        "    options = quiet_trainer(accelerator='cpu', max_epochs=epochs)",
        "    trainer = L.Trainer(**options)",
        "    trainer.fit(model, loader, ckpt_path=file if epochs > 1 else None)",
        "    trainer.save_checkpoint(file)",
    ),
}
RIGHT_9_2["a callback of one's own"] = job(
    "file = f'{folder}/run'",
    "class SavesEachEpoch(L.Callback):",
    "    def on_train_epoch_end(self, trainer, module):",
    "        trainer.save_checkpoint(file)",
    "saves, path = SavesEachEpoch(), file if os.path.exists(file) else None",
    "options = quiet_trainer(accelerator='cpu', callbacks=[saves])",
    "L.Trainer(max_epochs=4, **options).fit(model, loader, ckpt_path=path)",
)
RIGHT_9_2["a partial, the newest file by its time"] = (
    "import functools\n"
    + function(
        "run(model, loader, folder, *, epochs)",
        "saves = ModelCheckpoint(folder + '/mine', save_top_k=-1)",
        TRAINER[0],
        TRAINER[1].replace("4", "epochs"),
        "files = sorted(Path(folder).rglob('*.ckpt'), key=os.path.getmtime)",
        "trainer.fit(model, loader, ckpt_path=files[-1] if files else None)",
    )
    + "\njob = functools.partial(run, epochs=4)"
)
RIGHT_9_2["a class, a module that saves itself"] = """
class job:
    def __init__(self, model, loader, folder):
        self.file = Path(folder, "state")
        options = quiet_trainer(accelerator="cpu", max_epochs=4)
        self.trainer = L.Trainer(**options)
        model.on_train_epoch_end = self.save
        found = self.file if self.file.exists() else None
        self.trainer.fit(model, train_dataloaders=loader, ckpt_path=found)
    def save(self):
        self.trainer.save_checkpoint(self.file)
"""
WRONG_9_2 = {
    "done as soon as there is a file": (
        job("if os.listdir(folder):", "    return", SAVES, *TRAINER, RESUMES),
        "made no more updates when it was called again. Train the epochs that are",
    ),
    "cleans up when it is done": (
        job(SAVES, *TRAINER, RESUMES, "os.remove(folder + '/last.ckpt')"),
        "A further call, after all epochs are done, makes 20 more updates.",
    ),
    "an epoch for each call": (
        job(
            SAVES,
            "done = len(os.listdir(folder))",
            TRAINER[0],
            TRAINER[1].replace("4", "min(done + 1, 4)"),
            RESUMES,
        ),
        "Never killed, the job makes 5 updates; 4 epochs of 5 were asked for.",
    ),
    "resumes with another schedule": (
        at_train_start("trainer.lr_scheduler_configs[0].scheduler.gamma = 0.5").replace(
            "gamma = 0.5", "gamma **= 1 + bool(trainer.current_epoch)"
        ),
        "ends with other weights than one that was never killed.",
    ),
    "the oldest file": (
        job(
            "saves = ModelCheckpoint(folder, save_top_k=-1)",
            *TRAINER,
            "files = sorted(os.listdir(folder))",
            "path = os.path.join(folder, files[0]) if files else None",
            "trainer.fit(model, loader, ckpt_path=path)",
        ),
        "A further call, after all epochs are done, makes 15 more updates.",
    ),
    "cosmetic: resumes a file that a kill never leaves": (
        job(
            "path = f'{folder}/model.ckpt'",
            "trainer = L.Trainer(max_epochs=4, **quiet_trainer(accelerator='cpu'))",
            "found = path if os.path.exists(path) else None",
            "trainer.fit(model, loader, ckpt_path=found)",
            "trainer.save_checkpoint(path)",
        ),
        "Killed in epoch 2 of 4, the job leaves no file in its folder.",
    ),
    "only renamed": (
        job(
            "runner = L.Trainer(max_epochs=4, **quiet_trainer(accelerator='cpu'))",
            "runner.fit(model, loader)",
            "runner.save_checkpoint(f'{folder}/last.ckpt')",
        ),
        "the job leaves no file in its folder. Save at the end of each epoch",
    ),
    "saves, and does not read": (
        job(SAVES, *TRAINER, "trainer.fit(model, loader)"),
        "the job went on with epoch 1 when it was called again",
    ),
    "loads the weights": (
        job(
            "if os.listdir(folder):",
            "    content = torch.load(f'{folder}/last.ckpt')",
            "    model.load_state_dict(content['state_dict'])",
            SAVES,
            *TRAINER,
            "trainer.fit(model, loader)",
        ),
        "the job went on with epoch 1 when it was called again",
    ),
    "loads the weights and counts the epochs that are left": (
        job(
            "epochs = 4",
            "if os.listdir(folder):",
            "    content = torch.load(f'{folder}/last.ckpt')",
            "    model.load_state_dict(content['state_dict'])",
            "    epochs -= content['epoch'] + 1",
            SAVES,
            TRAINER[0],
            TRAINER[1].replace("4", "epochs"),
            "trainer.fit(model, loader)",
        ),
        "Killed in epoch 2 of 4, the job went on with epoch 1",
    ),
    "another name": (
        job(SAVES.replace('"last"', '"newest"'), *TRAINER, RESUMES),
        "Killed in epoch 2 of 4, the job went on with epoch 1",
    ),
    "saves on an exception": (
        job(
            SAVES[:-1] + ", every_n_epochs=4, save_on_exception=True)",
            *TRAINER,
            RESUMES,
        ),
        "Killed in epoch 2 of 4, the job leaves no file in its folder",
    ),
    "seeds when training starts": (
        at_train_start("torch.manual_seed(0)"),
        "did not go on with the first batch of that epoch",
    ),
    "forgets the averages of Adam": (
        at_train_start("trainer.optimizers[0].state.clear()"),
        "Killed twice, the job ends with other weights than one that was never killed.",
    ),
    "one epoch more each time": (
        job(
            "file = f'{folder}/last.ckpt'",
            "done = torch.load(file)['epoch'] + 1 if os.path.exists(file) else 0",
            SAVES,
            TRAINER[0],
            TRAINER[1].replace("4", "4 + (done == 4)"),
            "trainer.fit(model, loader, ckpt_path=file if done else None)",
        ),
        "A further call, after all epochs are done, makes 5 more updates.",
    ),
    "saves in mid-epoch": (
        job(
            SAVES[:-1] + ", every_n_train_steps=1)",
            *TRAINER,
            RESUMES,
        ),
        "did not go on with the first batch of that epoch",
    ),
    "no folder": (
        job(
            SAVES.replace("dirpath=folder, ", ""),
            *TRAINER,
            RESUMES,
        ),
        "no file in its folder. Save at the end of each epoch: ModelCheckpoint(dirpath",
    ),
    "seeds each call": (
        job(
            "L.seed_everything(0)",
            SAVES,
            *TRAINER,
            "trainer.fit(model, loader)",
        ),
        "the job went on with epoch 1 when it was called again",
    ),
    "saving is switched off": (
        job(
            SAVES,
            "options = quiet_trainer(accelerator='cpu', callbacks=[saves])",
            "L.Trainer(max_epochs=4, **options).fit(model, loader, ckpt_path='last')",
        ),
        "job raised MisconfigurationException: Trainer was configured with",
    ),
    "keeps the files elsewhere": (
        job(
            f"saves = {LAST.replace('folder', 'os.path.dirname(folder[:-6])')})",
            *TRAINER,
            RESUMES,
        ),
        "With an empty folder, the job made no updates: it knows of other files. "
        "Read and write in `folder` alone.",
    ),
    "too few epochs": (
        job(
            SAVES,
            TRAINER[0],
            TRAINER[1].replace("4", "2"),
            RESUMES,
        ),
        "Never killed, the job makes 10 updates",
    ),
    "weights only": (
        job(
            SAVES[:-1] + ", save_weights_only=True)",
            *TRAINER,
            RESUMES,
        ),
        "job raised KeyError",
    ),
    "raises": (job("return loader.folder"), "job raised AttributeError"),
    "a class": ("class job:\n    pass", "Expected a function but got type"),
}


def window(save, load, init="self.recent = deque(maxlen=8)", step=""):
    step = step or "self.recent.append(loss.item())"
    lines = [
        "class DividesByRecent(DigitNet):",
        "    def __init__(self):",
        f"        super().__init__(); {init}",
        "    def training_step(self, batch, batch_idx):",
        "        loss = super().training_step(batch, batch_idx)",
        f"        {step}",
        "        return loss / np.mean(self.recent)",
    ]
    if save:
        lines += [
            "    def on_save_checkpoint(self, checkpoint):",
            f"        {save}",
            "    def on_load_checkpoint(self, checkpoint):",
            f"        {load}",
        ]
    return "\n".join(lines)


LIST = "checkpoint['recent'] = list(self.recent)"
WINDOW = "self.recent = deque(checkpoint['recent'], maxlen=8)"
EXTRA = (
    window("", "")
    + """
    def get_extra_state(self):
        return {"recent": list(self.recent)}
    def set_extra_state(self, state):
        self.recent.extend(state["recent"])
"""
)
BUFFERS = """
class DividesByRecent(DigitNet):
    def __init__(self):
        super().__init__()
        self.register_buffer("recent", torch.zeros(8, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0))
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.recent[self.count % 8] = loss.item()
        self.count += 1
        return loss / (self.recent.sum() / self.count.clamp(max=8)).float()
"""
NUMBERS = "checkpoint['recent'] = list(np.array(self.recent))"
DECLARED = (
    "torch.serialization.add_safe_globals("
    "[np._core.multiarray.scalar, np.dtype, np.dtypes.Float64DType])"
)
BY_HAND = (
    window(LIST, WINDOW)
    .replace("maxlen=8)", "maxlen=8); self.automatic_optimization = False", 1)
    .replace(
        "        return loss / np.mean(self.recent)",
        "        (loss / np.mean(self.recent)).backward()\n"
        "        for each in self.optimizers():\n"
        "            each.step()\n"
        "            each.zero_grad()\n"
        "    def configure_optimizers(self):\n"
        "        first, *others = self.parameters()\n"
        "        return [torch.optim.Adam([first]), torch.optim.SGD(others, lr=0.1)]",
    )
)
IN_A_CALLBACK = """
class Window(L.Callback):
    def __init__(self):
        self.losses = []
    def state_dict(self):
        return {"losses": self.losses}
    def load_state_dict(self, state):
        self.losses = state["losses"]
class DividesByRecent(DigitNet):
    def configure_callbacks(self):
        self.window = Window()
        return [self.window]
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.window.losses = [*self.window.losses, float(loss)][-8:]
        return loss / np.mean(self.window.losses)
"""
RIGHT_9_3 = {
    "a list": window(LIST, WINDOW),
    "a tensor": window(
        "checkpoint['recent'] = torch.tensor(list(self.recent)).double()",
        "self.recent = deque(checkpoint['recent'].tolist(), maxlen=8)",
    ).replace(
        "torch.tensor(list(self.recent)).double()",
        "torch.tensor(list(self.recent), dtype=torch.float64)",
    ),
    "a list all the time": window(
        "checkpoint['window'] = self.recent",
        "self.recent = checkpoint['window']",
        init="self.recent = []",
        step="self.recent = [*self.recent, loss.item()][-8:]",
    ),
    "extra state": EXTRA,
    "text": window(
        "checkpoint['recent'] = repr([*self.recent])",
        "self.recent.extend(eval(checkpoint['recent']))",
    ),
    "a tuple in a dict of its own": window(
        "checkpoint.setdefault('mine', {})['recent'] = tuple(self.recent)",
        "[self.recent.append(each) for each in checkpoint['mine']['recent']]",
    ),
    "buffers": BUFFERS,
    "in a callback, by hand": IN_A_CALLBACK,
    "by hand, with two optimizers": BY_HAND,
    "a base class between": window(LIST, WINDOW).replace("DividesByRecent", "Between")
    + "\nclass DividesByRecent(Between):\n"
    "    def configure_optimizers(self):\n"
    "        sgd = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)\n"
    "        return [sgd], [torch.optim.lr_scheduler.StepLR(sgd, 1)]",
    "NumPy's numbers, declared safe when it is built": window(
        NUMBERS, WINDOW, init=f"{DECLARED}; self.recent = deque(maxlen=8)"
    ),
}
WRONG_9_3 = {
    "cosmetic: the list never forgets": (
        window(LIST, "self.recent = checkpoint['recent']"),
        "The window must come back as it was: its values and its length.",
    ),
    "only renamed": (
        window(
            "checkpoint['window'] = self.recent", "self.recent = checkpoint['window']"
        ),
        "does not load by default: window is a collections.deque",
    ),
    "an array": (
        window(
            "checkpoint['recent'] = np.array(self.recent)",
            "self.recent = deque(checkpoint['recent'], maxlen=8)",
        ),
        "does not load by default: recent is a numpy.ndarray",
    ),
    "NumPy numbers in a list": (
        window(NUMBERS, WINDOW),
        "does not load by default: recent is a numpy.float64",
    ),
    "cheats: begins anew with each epoch, so nothing needs saving": (
        window("", "")
        + "\n    def on_train_epoch_start(self):\n        self.recent.clear()",
        "The loss of batch 13 is not divided by the mean of the last 8.",
    ),
    "loads a longer window": (
        window(LIST, WINDOW.replace("8", "9")),
        "The window must come back as it was",
    ),
    "only saves": (
        window(LIST, "pass"),
        "The window must come back as it was",
    ),
    "not saved": (window("", ""), "Resumed at the end of epoch 1, the run ends with"),
    "backwards": (
        window(LIST, "self.recent.extend(reversed(checkpoint['recent']))"),
        "The window must come back as it was",
    ),
    "half precision": (
        window(
            "checkpoint['recent'] = torch.tensor(list(self.recent)).half()",
            "self.recent = deque(checkpoint['recent'].tolist(), maxlen=8)",
        ),
        "The window must come back as it was",
    ),
    "no window at all": (
        "class DividesByRecent(DigitNet):\n    pass",
        "is not divided by the mean of the last",
    ),
    "divides by all": (
        window(LIST, "self.recent = checkpoint['recent']", init="self.recent = []"),
        "The loss of batch 9 is not divided by the mean of the last 8.",
    ),
    "fills up with zeros to eight": (
        window(
            "checkpoint['recent'] = ([0.0] * 8 + list(self.recent))[-8:]",
            WINDOW,
        ),
        "Resumed at the end of epoch 1, the run ends with",
    ),
    "saves the mean alone": (
        window(
            "checkpoint['recent'] = float(np.mean(self.recent))",
            "self.recent = deque([checkpoint['recent']] * 8, maxlen=8)",
        ),
        "The window must come back as it was: its values and its length.",
    ),
    "rounds": (
        window("checkpoint['recent'] = [round(x, 6) for x in self.recent]", WINDOW),
        "The window must come back as it was",
    ),
    "forgets the last": (
        window("checkpoint['recent'] = list(self.recent)[:-1]", WINDOW),
        "The window must come back as it was",
    ),
    "declares NumPy's numbers safe when it saves": (
        window(f"{DECLARED}; {NUMBERS}", WINDOW),
        "Resuming raised UnpicklingError",
    ),
    "keeps it in the class, so nothing is saved": (
        window("", "", init="pass").replace(
            "    def __init__", "    recent = deque(maxlen=8)\n    def __init__"
        ),
        "The window must come back as it was",
    ),
    "a mean of seven": (
        window(LIST, WINDOW.replace("8", "7"), init="self.recent = deque(maxlen=7)"),
        "The loss of batch 8 is not divided by the mean of the last 8.",
    ),
    "trains on every second batch": (
        window(LIST, WINDOW).replace(
            "        return loss", "        return None if batch_idx % 2 else loss"
        ),
        "24 batches made 12 updates. Update after each batch",
    ),
    "loads under another name": (
        window(LIST, "self.recent = deque(checkpoint['window'], maxlen=8)"),
        "Resuming raised KeyError: 'window'",
    ),
    "raises": (window(LIST, WINDOW, step="self.latest += 1"), "AttributeError"),
    "a function": ("def answer():\n    pass", "Expected a LightningModule class"),
}


@each_answer("practice, source", {"9.1": RIGHT_9_1, "9.2": RIGHT_9_2, "9.3": RIGHT_9_3})
def test_a_right_answer_is_accepted(practice, source):
    assert_correct(practice, source)


@each_answer(
    "practice, source, message", {"9.1": WRONG_9_1, "9.2": WRONG_9_2, "9.3": WRONG_9_3}
)
def test_a_wrong_answer_is_told_its_mistake(practice, source, message):
    assert_incorrect(practice, source, message)


EARLY_PEAK, RISING = [0.5, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]


def best_and_last(folder, **options):
    options = {"monitor": "val_acc", "mode": "max", **options}
    return [
        ModelCheckpoint(f"{folder}/best", "top", **options),
        ModelCheckpoint(folder, "last", enable_version_counter=False),
    ]


def test_9_1_each_file_is_listed_with_its_epoch_and_what_it_holds():
    assert checkpoints_after_kill(best_and_last, "val_acc", EARLY_PEAK) == [
        SavedCheckpoint("best/top.ckpt", 2, whole=True, resumable=True),
        SavedCheckpoint("last.ckpt", 4, whole=True, resumable=True),
    ]


def test_9_1_a_loss_is_best_where_it_is_least():
    def make(folder):
        return best_and_last(folder, monitor="val_loss", mode="min")

    left = checkpoints_after_kill(make, "val_loss", [0.9, 0.2, 0.5])
    assert keeps_the_best(left, [0.9, 0.2, 0.5], mode="min").ok


def test_9_1_save_last_looks_right_while_every_epoch_is_better_than_all_before():
    def make(folder):
        return best_and_last(folder, save_last=True)[:1]

    left = checkpoints_after_kill(make, "val_acc", RISING)
    assert keeps_the_last(left, len(RISING)).ok


def test_9_1_a_file_saved_during_the_best_epoch_does_not_hold_its_weights():
    left = [SavedCheckpoint("a.ckpt", 2, whole=False, resumable=True)]
    assert not keeps_the_best(left, EARLY_PEAK).ok


def test_9_1_keeping_the_worst_is_named():
    left = [SavedCheckpoint("a.ckpt", 1, whole=True, resumable=True)]
    assert "but the worst, 1, is" in keeps_the_best(left, RISING).seen


def test_9_1_a_missing_dirpath_leaves_nothing_in_the_working_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    left = checkpoints_after_kill(lambda f: [ModelCheckpoint()], "val_acc", RISING)
    assert keeps_the_last(left, len(RISING)).ok
    assert not saves_in_folder(left).ok
    assert not list(tmp_path.iterdir())


def test_9_2_a_call_returns_each_update_up_to_the_kill(tmp_path):
    def train(model, loader, folder):
        saves = best_and_last(folder)[1:]
        options = quiet_trainer(
            accelerator="cpu", enable_checkpointing=True, callbacks=saves
        )
        L.Trainer(max_epochs=4, **options).fit(model, loader, ckpt_path="last")

    made = call_job(train, tmp_path, seed=1, kill_after=8)
    assert [update.epoch for update in made] == [1] * 5 + [2] * 3
    first_epoch = [number for update in made[:5] for number in update.samples]
    assert sorted(first_epoch) == list(range(40))
    assert len({update.weights for update in made}) == 8
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["last.ckpt"]
