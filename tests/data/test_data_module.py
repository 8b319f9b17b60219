import gzip
import pickle
import shutil
import struct
from hashlib import md5
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets
from torchvision.transforms import ToTensor

from course_utils.data import data_module
from course_utils.data.cache import DataError, embedded_root
from course_utils.data.data_module import ImageDataModule, scaled
from course_utils.data.in_memory import LabelledImages, identity_collate
from course_utils.hardware import CPU, GPU, quiet_trainer


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    """One cache for this file: unpacking is tested elsewhere."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cpu_and_embedded(unpacked, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(unpacked))
    for name in ("COURSE_DATA", "COURSE_DATA_DIR", "COURSE_SEED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(data_module, "profile", lambda: CPU)


@pytest.fixture
def fashion(tmp_path, monkeypatch) -> Path:
    """60 training and 30 test images in Debian's layout; a CPU draws 20 and 10."""
    folder = tmp_path / "fashion"
    folder.mkdir()
    pixels = np.random.default_rng(0)
    for half, count in (("train", 60), ("t10k", 30)):
        image_bytes = pixels.integers(0, 256, count * 784, dtype=np.uint8).tobytes()
        images = struct.pack(">IIII", 2051, count, 28, 28) + image_bytes
        labels = struct.pack(">II", 2049, count) + bytes(i % 10 for i in range(count))
        for name, content in (("images-idx3", images), ("labels-idx1", labels)):
            packed = gzip.compress(content)
            (folder / f"{half}-{name}-ubyte.gz").write_bytes(packed)
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    monkeypatch.setattr(data_module, "CPU_TRAINING", 20)
    monkeypatch.setattr(data_module, "CPU_TEST", 10)
    return folder


@pytest.fixture
def cifar(tmp_path, monkeypatch) -> np.ndarray:
    """Write 10 training and 2 test images; return them, (n, channel, height, width)."""
    reader = datasets.CIFAR10
    folder = tmp_path / reader.base_folder
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    listed = []
    for i, name in enumerate([f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]):
        batch = images[2 * i : 2 * i + 2].reshape(2, 3072)
        content = pickle.dumps(
            {"data": batch, "labels": [2 * i % 10, (2 * i + 1) % 10]}
        )
        (folder / name).write_bytes(content)
        listed.append([name, md5(content).hexdigest()])
    meta = pickle.dumps({"label_names": list("abcdefghij")})
    (folder / "batches.meta").write_bytes(meta)
    checked = {**reader.meta, "md5": md5(meta).hexdigest()}
    monkeypatch.setattr(reader, "train_list", listed[:5])
    monkeypatch.setattr(reader, "test_list", listed[5:])
    monkeypatch.setattr(reader, "meta", checked)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    return images


def pairs(images: torch.Tensor, labels: torch.Tensor) -> set[tuple[bytes, int]]:
    """Each image with its label: what a split holds, whatever its order."""
    return {
        (image.numpy().tobytes(), int(label))
        for image, label in zip(images, labels, strict=True)
    }


def torchvision_pairs(train: bool) -> set[tuple[bytes, int]]:
    source = datasets.MNIST(embedded_root(), train=train)
    return pairs(source.data, source.targets)


def test_the_splits_are_disjoint_and_together_what_torchvision_reads():
    data = ImageDataModule()
    train = pairs(data.train_images, data.train_labels)
    val = pairs(data.val_images, data.val_labels)
    assert (len(train), len(val)) == (7000, 1000)
    assert train.isdisjoint(val)
    assert train | val == torchvision_pairs(train=True)


def test_the_test_images_are_torchvisions_in_the_same_order():
    data = ImageDataModule()
    source = datasets.MNIST(embedded_root(), train=False)
    assert torch.equal(data.test_images, source.data[:, None])
    assert torch.equal(data.test_labels, source.targets)
    assert pairs(data.train_images, data.train_labels).isdisjoint(
        torchvision_pairs(train=False)
    )


def test_tensors_are_bytes_with_a_channel_and_int64_labels():
    data = ImageDataModule()
    assert data.train_images.shape == (7000, 1, 28, 28)
    assert data.image_shape == (1, 28, 28)
    assert {data.train_images.dtype, data.test_images.dtype} == {torch.uint8}
    assert {data.val_labels.dtype, data.test_labels.dtype} == {torch.int64}
    assert data.classes == tuple(datasets.MNIST.classes)


def test_a_split_depends_on_its_seed_and_not_on_the_global_rng():
    torch.manual_seed(1)
    first = ImageDataModule().val_images
    torch.manual_seed(2)
    assert torch.equal(ImageDataModule().val_images, first)
    assert not torch.equal(ImageDataModule(seed=1).val_images, first)


def test_loading_leaves_the_global_rng_alone():
    state = torch.get_rng_state()
    ImageDataModule(test_size=100).setup()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seed_comes_from_the_environment_unless_it_is_given(monkeypatch):
    by_argument = ImageDataModule(seed=3).val_labels
    monkeypatch.setenv("COURSE_SEED", "3")
    assert torch.equal(ImageDataModule().val_labels, by_argument)
    monkeypatch.setenv("COURSE_SEED", "x")
    with pytest.raises(ValueError, match="Expected COURSE_SEED to be a whole number"):
        ImageDataModule()


def test_fewer_training_images_keep_the_same_validation_images():
    few, all_of_them = ImageDataModule(train_size=100), ImageDataModule()
    assert torch.equal(few.val_images, all_of_them.val_images)
    assert torch.equal(few.train_images, all_of_them.train_images[:100])


def test_a_larger_data_set_is_cut_to_the_size_of_the_embedded_one_unless_asked(
    fashion, monkeypatch
):
    def sizes():
        data = ImageDataModule("fashion-mnist", val_size=5)
        return [len(each) for each in (data.train_labels, data.test_labels)]

    assert sizes() == [15, 10]
    monkeypatch.setenv("COURSE_IMAGES", "all")
    assert sizes() == [55, 30]


def test_sizes_are_exact_and_a_smaller_test_set_is_drawn_by_the_seed():
    data = ImageDataModule(train_size=300, val_size=20, test_size=50)
    counts = [len(data.train_labels), len(data.val_labels), len(data.test_labels)]
    assert counts == [300, 20, 50]
    assert pairs(data.test_images, data.test_labels) < torchvision_pairs(train=False)
    other = ImageDataModule(test_size=50, seed=1)
    assert not torch.equal(other.test_images, data.test_images)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"train_size": 0}, ValueError, "train_size to be at least 1 but got 0"),
        ({"val_size": -1}, ValueError, "val_size to be at least 0 but got -1"),
        ({"test_size": 0.5}, TypeError, "test_size to be a whole number but got 0.5"),
        ({"batch_size": True}, TypeError, "batch_size to be a whole number"),
        ({"name": "minst"}, ValueError, "Did you mean 'mnist'?"),
    ],
)
def test_a_wrong_setting_is_refused_at_once(wrong, error, message):
    with pytest.raises(error, match=message.replace("?", r"\?")):
        ImageDataModule(**wrong)


def test_more_images_than_there_are_is_one_sentence():
    data = ImageDataModule(train_size=7500)
    with pytest.raises(
        ValueError, match="at most 8000, .* but got 8500; ask for fewer"
    ):
        data.setup("fit")
    with pytest.raises(ValueError, match="Expected test_size to be at most 2000"):
        ImageDataModule(test_size=2001).setup("test")
    with pytest.raises(ValueError, match="Expected val_size to be below 8000"):
        ImageDataModule(val_size=8000).setup("fit")


@pytest.mark.parametrize(
    ("stage", "read"),
    [("fit", [True]), ("validate", [True]), ("test", [False]), (None, [True, False])],
)
def test_a_stage_reads_only_its_half_and_reads_it_once(stage, read, monkeypatch):
    seen, real = [], data_module.open_dataset

    def spy(name, train):
        seen.append(train)
        return real(name, train=train)

    monkeypatch.setattr(data_module, "open_dataset", spy)
    data = ImageDataModule()
    data.setup(stage)
    assert seen == read
    kept = data.test_images if stage == "test" else data.train_images
    data.setup(stage)
    assert seen == read
    assert kept is (data.test_images if stage == "test" else data.train_images)


def test_prepare_data_leaves_no_state_behind():
    data = ImageDataModule()
    before = dict(vars(data))
    data.prepare_data()
    assert vars(data) == before


def test_scaling_equals_division_of_each_byte_by_255():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    by_numpy = np.arange(256, dtype=np.float32) / np.float32(255)
    assert scaled(images).dtype == torch.float32
    assert np.array_equal(scaled(images).flatten().numpy(), by_numpy)
    # Not v2's ToDtype: it multiplies by 1 / 255 and rounds half the levels otherwise.
    by_torchvision = ToTensor()(Image.fromarray(images[0, 0].numpy()))
    assert torch.equal(scaled(images)[0], by_torchvision)
    assert images.max() == 255


def test_images_are_not_scaled_twice():
    with pytest.raises(TypeError, match="Expected uint8 images but got torch.float32"):
        scaled(torch.zeros(1))


def test_a_batch_from_the_loader_is_what_numpy_computes_from_the_images():
    data = ImageDataModule(batch_size=32)
    raw_images, raw_labels = next(iter(data.val_dataloader()))
    assert raw_images.dtype == torch.uint8
    images, labels = data.on_after_batch_transfer((raw_images, raw_labels), 0)
    by_hand = data.val_images[:32].numpy().astype(np.float32) / np.float32(255)
    assert np.array_equal(images.numpy(), by_hand)
    assert torch.equal(labels, data.val_labels[:32])


def test_the_training_order_follows_the_global_rng_and_every_image_comes_once():
    data = ImageDataModule(train_size=130, batch_size=64)

    def epoch(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        batches = list(data.train_dataloader())
        assert [len(labels) for _, labels in batches] == [64, 64, 2]
        return torch.cat([images for images, _ in batches])

    assert torch.equal(epoch(0), epoch(0))
    assert not torch.equal(epoch(0), epoch(1))
    labels = torch.zeros(130)
    assert pairs(epoch(0), labels) == pairs(data.train_images, labels)


def test_one_image_of_the_dataset_is_one_row_of_its_batch():
    data = ImageDataModule().val_dataloader().dataset
    images, labels = data.__getitems__([5, 2])
    assert torch.equal(images[1], data[2][0])
    assert labels[1] == data[2][1]
    assert len(data) == 1000


def test_a_changed_batch_size_reaches_the_next_loader():
    data = ImageDataModule()
    data.batch_size = 500
    assert len(data.val_dataloader()) == 2


def test_dataset_and_collate_can_be_sent_to_a_spawned_worker():
    data = LabelledImages(
        torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([3, 4])
    )
    sent, collate = pickle.loads(pickle.dumps((data, identity_collate)))
    assert sent.__getitems__([1])[1].tolist() == [4]
    assert collate is identity_collate


def test_a_worker_process_delivers_the_same_batches():
    alone = ImageDataModule(val_size=100, batch_size=50)
    helped = ImageDataModule(val_size=100, batch_size=50, num_workers=1)
    expected, got = list(alone.val_dataloader()), list(helped.val_dataloader())
    assert len(got) == 2
    assert all(torch.equal(a[0], b[0]) for a, b in zip(expected, got, strict=True))


class Witness(L.LightningModule):
    """Keeps what a Trainer hands to each step."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(784, 10)
        self.seen = {}

    def training_step(self, batch, batch_idx):
        self.seen["train"] = batch
        return self.layer(batch[0].flatten(1)).logsumexp(1).mean()

    def validation_step(self, batch, batch_idx):
        self.seen["val"] = batch

    def test_step(self, batch, batch_idx):
        self.seen["test"] = batch

    def predict_step(self, batch, batch_idx):
        self.seen["predict"] = batch
        return batch_idx

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_a_trainer_hands_scaled_images_to_every_step():
    data, model = ImageDataModule(batch_size=8), Witness()
    settings = {**quiet_trainer(), "accelerator": "cpu", "limit_train_batches": 2}
    limits = {f"limit_{s}_batches": 1 for s in ("val", "test", "predict")}
    trainer = L.Trainer(max_epochs=1, **settings, **limits)
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    trainer.predict(model, data)
    assert set(model.seen) == {"train", "val", "test", "predict"}
    for images, labels in model.seen.values():
        assert images.dtype == torch.float32
        assert (images.min(), images.max()) == (0, 1)
        assert labels.shape == (8,)
    assert torch.equal(model.seen["val"][0], scaled(data.val_images[:8]))


def test_fashion_in_debians_layout_is_drawn_by_the_seed_on_a_cpu(fashion):
    data = ImageDataModule("fashion-mnist", val_size=5)
    counts = [len(data.train_labels), len(data.val_labels), len(data.test_labels)]
    assert counts == [15, 5, 10]
    assert data.classes[9] == "Ankle boot"
    other = ImageDataModule("fashion-mnist", val_size=5, seed=1)
    drawn = pairs(data.train_images, data.train_labels)
    assert drawn != pairs(other.train_images, other.train_labels)
    raw = gzip.decompress((fashion / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    images = {raw[i * 784 : (i + 1) * 784]: i % 10 for i in range(60)}
    assert all(images[image] == label for image, label in drawn)


def test_a_gpu_uses_all_of_the_full_data(fashion, monkeypatch):
    monkeypatch.setattr(data_module, "profile", lambda: GPU)
    data = ImageDataModule("fashion-mnist", val_size=5)
    counts = [len(data.train_labels), len(data.val_labels), len(data.test_labels)]
    assert counts == [55, 5, 30]


def test_cifar_images_have_their_channels_first(cifar):
    data = ImageDataModule("cifar10", val_size=3)
    assert data.image_shape == (3, 32, 32)
    assert data.classes == tuple("abcdefghij")
    assert np.array_equal(data.test_images.numpy(), cifar[10:])
    assert data.test_labels.tolist() == [0, 1]
    expected = {(cifar[i].tobytes(), i) for i in range(10)}
    drawn = pairs(data.train_images, data.train_labels)
    assert len(drawn) == 7
    assert drawn | pairs(data.val_images, data.val_labels) == expected


def test_the_data_in_use_is_one_line_without_decimals(fashion):
    line = ImageDataModule("fashion-mnist", val_size=5).describe()
    assert line == "Fashion-MNIST: 15 training, 5 validation, 10 test images."


def test_the_embedded_digits_are_described_as_shipped_with_the_course():
    assert ImageDataModule().describe() == (
        "MNIST digits shipped with the course: "
        "7000 training, 1000 validation, 2000 test images."
    )


def test_damaged_data_of_the_learner_is_one_sentence(tmp_path, monkeypatch):
    shutil.copytree(embedded_root(), tmp_path / "own")
    victim = tmp_path / "own" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    victim.write_bytes(victim.read_bytes()[:1000])
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "own"))
    with pytest.raises(DataError, match="Expected readable files of MNIST"):
        ImageDataModule("mnist").setup("test")
