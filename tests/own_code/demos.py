"""Lightning's own demos, with data of their kind, for ``course check``."""

import lightning as L
import torch
from lightning.pytorch.demos import LightningTransformer
from lightning.pytorch.demos.lstm import LightningLSTM
from torch.utils.data import DataLoader, Subset


class Drawn(L.LightningDataModule):
    """What `draw` gives, 32 for training and 16 for validation, the same each time."""

    def draw(self):
        return torch.rand(32)

    def setup(self, stage):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.samples = [self.draw() for _ in range(48)]

    def train_dataloader(self):
        return DataLoader(Subset(self.samples, range(32)), batch_size=8)

    def val_dataloader(self):
        return DataLoader(Subset(self.samples, range(32, 48)), batch_size=8)


class Text(Drawn):
    """Words, and those that follow them."""

    def draw(self):
        words = torch.randint(0, 100, (11,))
        return words[:-1], words[1:]


def transformer():
    return LightningTransformer(vocab_size=100)


def lstm():
    return LightningLSTM(vocab_size=100)
