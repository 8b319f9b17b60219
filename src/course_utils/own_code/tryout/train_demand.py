"""How much will it cost to power a building for an hour? From weather and clock.

Run it with `python train_demand.py`. A year of hours is made up here; put your meter's
in its place.
"""

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.nn import functional as F

# What a kilowatt-hour costs in each hour of the day: the evening is expensive.
PRICES = torch.tensor([0.2] * 7 + [0.3] * 10 + [0.6] * 4 + [0.2] * 3)


def one_year():
    """Return rows (temperature, weekend), the hour of the day, and kilowatt-hours."""
    made_up = torch.Generator().manual_seed(7)
    time = torch.arange(365 * 24)
    hour, weekend = time % 24, time // 24 % 7 >= 5
    season = torch.cos(2 * torch.pi * (time / (365 * 24) - 0.05))
    warmer_at_noon = torch.cos(2 * torch.pi * (hour - 14) / 24)
    weather = torch.randn(365, generator=made_up).repeat_interleave(24)
    temperature = 11 - 10 * season + 4 * warmer_at_noon + 3 * weather
    at_work = ((hour > 6) & (hour < 19) & ~weekend).float()
    heating = (16 - temperature).clamp(min=0)
    noise = torch.randn(len(time), generator=made_up)
    used = 12 + 20 * at_work + 2 * heating + noise
    return torch.stack([temperature, weekend.float()], 1), hour, used


class Days:
    """Serve whole days, without the detour over single samples: much faster."""

    def __init__(self, tensors, days, per_batch=1, shuffle=False):
        hours = (days[:, None] * 24 + torch.arange(24)).flatten()
        self.tensors = [each[hours] for each in tensors]
        self.size, self.shuffle = 24 * per_batch, shuffle

    def __len__(self):
        return len(self.tensors[0]) // self.size

    def __iter__(self):
        order = torch.randperm(len(self)) if self.shuffle else torch.arange(len(self))
        for start in (order * self.size).tolist():
            yield [each[start : start + self.size] for each in self.tensors]


def standardized(rows):
    """Return rows with a temperature around 0 and a spread of about 1."""
    rows[:, 0] -= 11
    rows[:, 0] /= 9
    return rows


class Demand(L.LightningModule):
    def __init__(self, width=32, lr=0.02):
        super().__init__()
        self.save_hyperparameters()
        self.of_hour = nn.Embedding(24, 4)
        self.net = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 1))
        self.costs = []

    def cost(self, batch):
        rows, hour, used = batch
        seen = torch.cat([standardized(rows), self.of_hour(hour)], 1)
        wrong_by = F.l1_loss(self.net(seen).squeeze(1), used, reduction="none")
        return (PRICES[hour] * wrong_by).mean()

    def training_step(self, batch, batch_idx):
        cost = self.cost(batch)
        self.log("cost", cost, on_step=False, on_epoch=True)
        return cost

    def validation_step(self, batch, batch_idx):
        cost = self.cost(batch)
        self.log("cost", cost)
        self.costs.append(cost)

    def on_validation_epoch_end(self):
        days = torch.stack(self.costs)
        self.log("val/mean_day", days.mean())
        self.log("val/worst_day", days.max())
        self.costs.clear()

    def test_step(self, batch, batch_idx):
        self.log("test/cost", self.cost(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


def main():
    L.seed_everything(1, verbose=False)
    shuffled = torch.randperm(365, generator=torch.Generator().manual_seed(2))
    train, val, test = shuffled.split([280, 28, 57])
    tensors = one_year()
    model = Demand()
    trainer = L.Trainer(
        max_epochs=12,
        callbacks=[
            ModelCheckpoint(monitor="cost"),
            EarlyStopping(monitor="cost", patience=4),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    weeks = Days(tensors, train, per_batch=7, shuffle=True)
    trainer.fit(model, weeks, Days(tensors, val))
    trainer.test(model, Days(tensors, test), verbose=False)
    cost = trainer.callback_metrics["test/cost"]
    print(f"an hour is forecast to within {100 * cost:.1f} cents")


if __name__ == "__main__":
    main()
