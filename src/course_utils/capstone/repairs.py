"""The repair of each bad practice, as edits of the script; each stands alone."""

Edits = tuple[tuple[str, str], ...]

_COLLATE = """\
        return digit, self.labels[index]


def to_batch(samples):
    digits, labels = zip(*samples, strict=True)
    return torch.stack(digits).unsqueeze(1) / 255, torch.stack(labels)
"""

REPAIRS: dict[str, Edits] = {
    "1.2": (
        (
            "        train, val = random_split(range(2000), [0.75, 0.25])\n",
            "        generator = torch.Generator().manual_seed(self.seed)\n"
            "        train, val = random_split(range(2000), [0.75, 0.25], generator)\n",
        ),
    ),
    "12.5": (
        (
            "        digit = self.digits[index]\n",
            "        digit = self.digits[index].clone()\n",
        ),
    ),
    "13.4": (
        (
            "        self.steps = v2.Compose("
            "[v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])\n",
            "",
        ),
        (
            "        return self.steps(Image.fromarray(digit.numpy())), "
            "self.labels[index]\n",
            _COLLATE,
        ),
        (
            "        return DataLoader(digits, batch_size=32, shuffle=shuffle)\n",
            "        return DataLoader(digits, 32, shuffle, collate_fn=to_batch)\n",
        ),
    ),
    "2.3": (
        (
            "        self.mean = torch.tensor(0.5)\n"
            "        self.std = torch.tensor(0.5)\n",
            '        self.register_buffer("mean", torch.tensor(0.5))\n'
            '        self.register_buffer("std", torch.tensor(0.5))\n',
        ),
    ),
    "3.1": (
        (
            "        super().__init__()\n        self.lr = lr\n",
            "        super().__init__()\n        self.save_hyperparameters()\n"
            "        self.lr = lr\n",
        ),
    ),
    "7.4": (
        (
            "        shifted = self(images.roll(2, dims=-1))\n"
            "        self.shifted_losses.append(F.cross_entropy(shifted, labels))\n",
            "        with torch.no_grad():\n"
            "            shifted = self(images.roll(2, dims=-1))\n"
            "        self.shifted_losses.append(F.cross_entropy(shifted, labels))\n",
        ),
    ),
    "4.2": (
        (
            '        self.log("loss", loss, on_step',
            '        self.log("train/loss", loss, on_step',
        ),
        (
            '        self.log("loss", F.cross_entropy(logits, labels))\n',
            '        self.log("val/loss", F.cross_entropy(logits, labels))\n',
        ),
        ('EarlyStopping("loss", patience=3)', 'EarlyStopping("val/loss", patience=3)'),
    ),
    "3.3": (
        ("Adam(self.parameters(), lr=5e-3)", "Adam(self.parameters(), lr=self.lr)"),
        ("OneCycleLR(optimizer, 5e-3, total", "OneCycleLR(optimizer, self.lr, total"),
    ),
    "4.4": (
        (
            "        return [optimizer], [plan]\n",
            '        return [optimizer], [{"scheduler": plan, "interval": "step"}]\n',
        ),
    ),
    "5.1": (
        (
            "    model = make_model()\n    L.seed_everything(seed, verbose=False)\n",
            "    L.seed_everything(seed, verbose=False)\n    model = make_model()\n",
        ),
    ),
    "8.1": (('        gradient_clip_algorithm="value",\n', ""),),
    "9.1": (
        (
            '    best = ModelCheckpoint(folder, filename="best", monitor="accuracy")\n',
            "    best = ModelCheckpoint(\n"
            '        folder, filename="best", monitor="accuracy", mode="max"\n'
            "    )\n"
            "    newest = ModelCheckpoint(\n"
            '        folder, filename="last", enable_version_counter=False\n'
            "    )\n",
        ),
        ("callbacks=[best, stop]", "callbacks=[best, newest, stop]"),
    ),
    "9.2": (
        (
            "    if resume:\n"
            '        model.load_state_dict(torch.load(resume)["state_dict"])\n'
            "    trainer.fit(model, data)\n",
            "    trainer.fit(model, data, ckpt_path=resume)\n",
        ),
    ),
    "0.1": (("    shares = []\n", "    model.eval()\n    shares = []\n"),),
    "12.4": (
        ("        shares.append(right.mean())\n", "        shares.append(right)\n"),
        (
            "    return torch.stack(shares).mean().item()\n",
            "    return torch.cat(shares).mean().item()\n",
        ),
    ),
    "10.1": (
        (
            '    data.setup("validate")\n'
            "    accuracy = evaluate(model, data.val_dataloader())\n",
            '    best_weights = torch.load(best.best_model_path)["state_dict"]\n'
            "    model.load_state_dict(best_weights)\n"
            "    accuracy = evaluate(model, data.test_dataloader())\n",
        ),
    ),
}


def repaired(source: str, *practices: str) -> str:
    """Return ``source`` with these repairs, with all of them if none is named.

    Raises:
        ValueError: If the lines that a repair replaces are not there.
    """
    for practice in practices or REPAIRS:
        for before, after in REPAIRS[practice]:
            if source.count(before) != 1:
                raise ValueError(f"Expected once in the script but did not: {before}")
            source = source.replace(before, after)
    return source
