import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import lightning as L
import nbformat
import psutil
import pytest
import torch
from nbclient import NotebookClient
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassF1Score

from course_utils.distributed import ProcessError, ProcessTimeoutError, run_processes
from course_utils.distributed.environment import free_port
from course_utils.distributed.start_methods import choose_method
from course_utils.library_messages import collect_messages

METHODS = [
    pytest.param(
        "fork",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="forking needs Linux"),
    ),
    "fresh",
]
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
SCRIPT = """
import os, sys, time
from pathlib import Path
from course_utils.distributed import run_processes

folder = sys.argv[2]

def work():
    Path(folder, os.environ["RANK"]).write_text(str(os.getpid()))
    time.sleep(600)

run_processes(work, method=sys.argv[1], timeout_seconds=600)
"""


@dataclass(frozen=True)
class Score:
    value: float


class Classifier(L.LightningModule):
    """Predicts the class that its input names, so its metrics are known by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 3)
        self.f1 = MulticlassF1Score(3)

    def training_step(self, batch, batch_idx):
        inputs, targets = batch
        return nn.functional.cross_entropy(self.net(inputs), targets)

    def validation_step(self, batch, batch_idx):
        inputs, targets = batch
        preds = inputs.argmax(1)
        hits = (preds == targets).float().mean()
        self.log("local", hits, sync_dist=False)
        self.log("synced", hits, sync_dist=True)
        self.f1(preds, targets)
        self.log("f1", self.f1)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def answers() -> tuple[torch.Tensor, torch.Tensor]:
    # Even positions, rank 0's half, are all right; of the odd ones a quarter is.
    preds = torch.arange(48) % 3
    wrong = (torch.arange(48) % 2 == 1) & (torch.arange(48) % 8 != 7)
    return preds, torch.where(wrong, (preds + 1) % 3, preds)


def loader() -> DataLoader:
    preds, targets = answers()
    return DataLoader(TensorDataset(torch.eye(3)[preds], targets), batch_size=6)


def two_trainer(**settings) -> L.Trainer:
    return L.Trainer(devices=2, strategy="ddp", **QUIET, **settings)


def validate() -> dict[str, float]:
    return two_trainer().validate(Classifier(), loader(), verbose=False)[0]


def fit() -> tuple[Score, dict[str, torch.Tensor]]:
    # Other weights in each process: only a group that works makes them equal.
    torch.manual_seed(int(os.environ["RANK"]))
    model = Classifier()
    two_trainer(max_epochs=2).fit(model, loader())
    return Score(model.net.weight.sum().item()), model.state_dict()


def silent_group() -> None:
    torch.distributed.init_process_group("gloo")
    torch.distributed.all_reduce(torch.ones(1))


# Work that refers to this module makes a fresh process import it, and Lightning with
# it: tests of both methods read the environment instead of calling `rank`.
def rank() -> int:
    return int(os.environ["RANK"])


def test_an_unsynced_metric_covers_the_ranks_own_half_and_a_synced_one_is_the_mean():
    first, second = run_processes(validate)
    assert (first["local"], second["local"]) == (1.0, 0.25)
    assert first["synced"] == second["synced"] == 0.625


def test_torchmetrics_agrees_with_one_process_that_sees_everything():
    whole = MulticlassF1Score(3)(*answers()).item()
    assert [r["f1"] for r in run_processes(validate)] == pytest.approx([whole] * 2)


@pytest.mark.slow
def test_replicas_end_bit_identical_with_both_methods():
    fresh = run_processes(fit, method="fresh", timeout_seconds=120)
    runs = [fresh] if sys.platform != "linux" else [fresh, run_processes(fit)]
    states = [state for run in runs for _, state in run]
    assert all(torch.equal(s["net.weight"], states[0]["net.weight"]) for s in states)
    assert all(type(score) is Score for run in runs for score, _ in run)
    torch.manual_seed(0)
    start = Classifier().net.weight
    assert not torch.equal(states[0]["net.weight"], start)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forking needs Linux")
def test_a_fork_after_multi_threaded_work_of_the_parent_finishes(tmp_path):
    script = tmp_path / "threads.py"
    script.write_text(
        "import torch\n"
        "from course_utils.distributed import run_processes\n"
        "torch.set_num_threads(4)\n"
        "weights = torch.randn(900, 900, requires_grad=True)\n"
        "def work():\n"
        "    loss = (weights @ weights).exp().sum()\n"
        "    loss.backward()\n"
        "    return torch.get_num_threads()\n"
        "work()\n"
        "print(run_processes(work, method='fork', timeout_seconds=30))\n"
        "print(torch.get_num_threads())\n"
    )
    env = {name: value for name, value in os.environ.items() if "OMP" not in name}
    run = subprocess.run(
        [sys.executable, script], env=env, capture_output=True, text=True, timeout=120
    )
    assert run.stdout.split("\n")[:2] == ["[1, 1]", "4"], run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="forked processes share the patch")
def test_lightning_leaves_one_thread_where_there_are_many_cores(monkeypatch):
    def work() -> int:
        fit()
        return torch.get_num_threads()

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    assert run_processes(work) == [1, 1]


def test_a_cluster_around_the_kernel_is_ignored(monkeypatch):
    for name, value in {"NTASKS": "4", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert [result["synced"] for result in run_processes(validate)] == [0.625] * 2


def test_a_trainer_with_another_number_of_devices_is_an_error():
    def work() -> None:
        trainer = L.Trainer(devices=1, strategy="ddp", **QUIET)
        trainer.validate(Classifier(), loader(), verbose=False)

    with pytest.raises(ProcessError, match="does not match the world size"):
        run_processes(work)


@pytest.mark.parametrize("method", METHODS)
def test_results_come_back_in_the_order_of_ranks(method):
    def work() -> tuple[int, int]:
        rank = int(os.environ["RANK"])
        time.sleep(0.2 * (2 - rank))
        return rank, int(os.environ["WORLD_SIZE"])

    assert run_processes(work, processes=3, method=method) == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.parametrize("method", METHODS)
def test_a_rank_that_raises_is_named_with_its_error_and_its_log(method):
    def work() -> None:
        print("about to fail")
        if os.environ["RANK"] == "1":
            raise ValueError("bad digit 7\nsecond line")
        time.sleep(60)

    start = time.monotonic()
    with pytest.raises(ProcessError) as caught:
        run_processes(work, method=method)
    assert str(caught.value) == "Rank 1 raised ValueError: bad digit 7."
    assert "about to fail" in caught.value.log
    assert "Traceback" in caught.value.log
    assert time.monotonic() - start < 30, "it waited for the other rank"


@pytest.mark.parametrize("method", METHODS)
def test_a_rank_that_ends_silently_is_named_with_its_exit_code(method):
    def work() -> None:
        if os.environ["RANK"] == "1":
            os._exit(3)
        time.sleep(60)

    with pytest.raises(ProcessError) as caught:
        run_processes(work, method=method)
    assert str(caught.value) == (
        "Expected rank 1 to return a result but it ended with exit code 3."
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_rank_is_the_cause_and_not_the_rank_that_lost_its_partner():
    def work() -> None:
        silent_group()
        if rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        torch.distributed.barrier()

    with pytest.raises(ProcessError, match="rank 1 .* killed by SIGKILL, .* memory"):
        run_processes(work)


def test_a_rank_that_never_ends_is_stopped_by_the_time_limit():
    def work() -> None:
        if rank() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)

    children = psutil.Process().children()
    with pytest.raises(TimeoutError) as caught:
        run_processes(work, timeout_seconds=1)
    assert isinstance(caught.value, ProcessTimeoutError)
    assert str(caught.value).startswith(
        "Expected both processes to finish within 1 s but rank 0 had not. A common "
        "cause: only one process called a collective"
    )
    assert psutil.Process().children() == children


def test_a_collective_that_one_rank_skips_ends_with_a_remedy_before_the_time_limit():
    def work() -> None:
        silent_group()
        if rank() == 0:
            torch.distributed.all_reduce(torch.ones(1))

    with pytest.raises(ProcessError, match="only one process called a collective") as e:
        run_processes(work, timeout_seconds=40)
    assert not isinstance(e.value, ProcessTimeoutError)
    assert str(e.value).startswith("Rank 0 raised")


def test_a_finished_rank_waits_a_moment_for_a_late_one():
    kept = []

    def work() -> str:
        first = os.environ["RANK"] == "0"
        time.sleep(0 if first else 0.5)
        port = int(os.environ["MASTER_PORT"])
        limit = timedelta(seconds=5)
        store = torch.distributed.TCPStore(
            "127.0.0.1", port, 2, first, timeout=limit, wait_for_workers=False
        )
        kept.append(store)
        if first:
            store.set("word", "seven")
        return store.get("word").decode()

    assert run_processes(work) == ["seven", "seven"]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_result_of_a_hundred_megabytes_arrives_whole(method):
    def work() -> bytes:
        return bytes([int(os.environ["RANK"])]) * 100_000_000

    first, second = run_processes(work, method=method)
    assert first.count(0) == second.count(1) == 100_000_000


@pytest.mark.parametrize("method", METHODS)
def test_a_result_that_cannot_be_pickled_is_named(method):
    with pytest.raises(ProcessError) as caught:
        run_processes(lambda: (digit for digit in range(3)), method=method)
    assert str(caught.value).startswith(
        "Expected rank 0 to return something that can be pickled but got `generator`"
    ) or str(caught.value).startswith("Expected rank 1")
    assert str(caught.value).endswith("Return numbers, lists, tensors or a state_dict.")


def test_a_result_that_cannot_be_unpickled_is_named():
    def work() -> object:
        class Broken:
            def __reduce__(self):
                return int, ("seven",)

        return Broken()

    with pytest.raises(ProcessError, match="can be unpickled but got ValueError"):
        run_processes(work)


def test_work_that_cannot_be_pickled_for_a_fresh_process_is_a_type_error():
    lock = threading.Lock()
    with pytest.raises(TypeError, match="only what can be pickled .* inside `work`"):
        run_processes(lambda: lock.locked(), method="fresh")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"work": 3}, "Expected `work` to be a function but got int"),
        ({"processes": 0}, "at least 1 but got 0"),
        ({"timeout_seconds": 0}, "above 0 but got 0"),
        ({"method": "spawn"}, "'fork', 'fresh' or None but got 'spawn'"),
    ],
)
def test_a_wrong_argument_is_named(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        run_processes(**{"work": rank, **arguments})


def test_forking_is_refused_where_it_does_not_exist(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ValueError, match="Expected Linux .* got darwin; leave"):
        run_processes(rank, method="fork")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is always fresh")
def test_forking_is_chosen_only_without_accelerator_and_group(monkeypatch):
    assert choose_method() == "fork"
    for module, name in [
        (torch.cuda, "is_available"),
        (torch.accelerator, "is_available"),
        (torch.distributed, "is_initialized"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda: True)
            assert choose_method() == "fresh"
    monkeypatch.setattr(sys, "platform", "win32")
    assert choose_method() == "fresh"


FAKES_A_GPU = """
import sys
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from course_utils.checks import simulated_tensors
from course_utils.distributed.start_methods import choose_method

if sys.argv[1] == "ours":
    with simulated_tensors("cuda:0"):
        torch.ones(1, device="cuda:0")
else:
    with FakeTensorMode():
        torch.ones(1, device="cuda:0")
torch.ones(1, requires_grad=True).sum().backward()
print(choose_method())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is always fresh")
@pytest.mark.parametrize(("faked", "method"), [("ours", "fork"), ("torch's", "fresh")])
def test_forking_is_chosen_unless_autograd_has_threads(faked, method):
    command = [sys.executable, "-c", FAKES_A_GPU, faked]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    if not torch.accelerator.is_available():
        assert done.stdout.split() == [method]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_callers_state_and_output_are_unchanged(method, capfd):
    def work() -> None:
        print("from sys.stdout")
        os.write(2, b"from the file descriptor")
        random.random()
        torch.rand(1)
        os.environ["COURSE_TRACE"] = "set"

    children = psutil.Process().children()
    before = dict(os.environ), random.getstate(), torch.get_rng_state()
    run_processes(work, method=method)
    assert dict(os.environ) == before[0]
    assert random.getstate() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    assert not torch.distributed.is_initialized()
    assert capfd.readouterr() == ("", "")
    assert psutil.Process().children() == children


@pytest.mark.skipif(sys.platform != "linux", reason="forked processes share the state")
def test_forked_processes_continue_the_same_random_state():
    torch.manual_seed(3)
    first, second = run_processes(lambda: torch.rand(3))
    assert torch.equal(first, second)


def test_data_loader_workers_end_with_their_rank(tmp_path):
    kept = []

    def work() -> None:
        batches = iter(DataLoader(range(9), num_workers=1))
        kept.append(batches)  # otherwise the loader would end its worker itself
        next(batches)
        workers = [child.pid for child in psutil.Process().children()]
        (tmp_path / str(rank())).write_text(" ".join(map(str, workers)))

    run_processes(work)
    pids = [int(pid) for file in tmp_path.iterdir() for pid in file.read_text().split()]
    assert len(pids) >= 2
    assert all(gone(pid, seconds=2) for pid in pids)  # alone they take 5 s


@pytest.mark.skipif(sys.platform != "linux", reason="reserved on Linux only")
def test_the_port_is_reserved_until_rank_0_listens():
    with free_port() as port:
        with pytest.raises(OSError, match="in use"), socket_at(port):
            pass
        torch.distributed.TCPStore("127.0.0.1", port, 1, True)


def socket_at(port: int) -> socket.socket:
    sock = socket.socket()
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock


def gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True  # ended, but not reaped yet
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("method", METHODS)
def test_no_process_outlives_an_interrupted_or_killed_caller(tmp_path, method, sent):
    temporary, pids = tmp_path / "tmp", tmp_path / "pids"
    temporary.mkdir()
    pids.mkdir()
    caller = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, method, str(pids)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while sum(bool(f.read_text()) for f in pids.iterdir()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    caller.send_signal(sent)
    _, error = caller.communicate(timeout=30)
    assert caller.returncode == -sent
    assert all(gone(int(file.read_text())) for file in pids.iterdir())
    if sent == signal.SIGINT:
        assert "KeyboardInterrupt" in error
        assert list(temporary.iterdir()) == []


NOTEBOOK = [
    """
import logging, sys, torch, lightning as L
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from course_utils.distributed import ProcessError, run_processes
""",
    """
class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 3)
    def training_step(self, batch, batch_idx):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
""",
    """
class Answer:
    def __init__(self, state):
        self.state = state

def work():
    print("must not appear")
    logging.getLogger("lightning.pytorch").warning("must not appear")
    torch.manual_seed(0)
    model = Net()
    data = TensorDataset(torch.eye(3).repeat(8, 1), torch.arange(24) % 3)
    trainer = L.Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=2,
                        logger=False, enable_checkpointing=False)
    trainer.fit(model, DataLoader(data, 4))
    return Answer(model.state_dict())
""",
    """
answers = [a for method in METHODS for a in run_processes(work, method=method)]
first = answers[0].state["net.weight"]
print(len(answers), all(isinstance(a, Answer) for a in answers))
print(all(torch.equal(a.state["net.weight"], first) for a in answers))
""",
    """
def broken():
    raise ValueError("bad digit")
for method in METHODS:
    try:
        run_processes(broken, method=method)
    except ProcessError as error:
        print(str(error).split(" ", 2)[2])
""",
]


@pytest.mark.slow
def test_classes_defined_in_a_real_kernel_work_and_nothing_is_printed(tmp_path: Path):
    methods = ["fork", "fresh"] if sys.platform == "linux" else ["fresh"]
    sources = [f"METHODS = {methods}", *NOTEBOOK]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source.strip()) for source in sources]
    )
    client = NotebookClient(
        notebook,
        timeout=200,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    outputs = [output for cell in notebook.cells[2:] for output in cell.outputs]
    assert "".join(output["text"] for output in outputs) == (
        f"{2 * len(methods)} True\nTrue\n"
        + "raised ValueError: bad digit.\n" * len(methods)
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fails", [False, True])
def test_what_the_processes_say_reaches_the_block_that_collects_it(method, fails):
    def work():
        for text in ("By all.", f"By {os.environ['RANK']}."):
            warnings.warn(text, stacklevel=1)
        time.sleep(0.5 * fails)  # until the other has spoken, too
        return 1 / (not fails)

    with collect_messages() as messages, suppress(ProcessError):
        warnings.warn("By the parent.", stacklevel=1)
        run_processes(work, method=method)
    assert [(m.text, m.processes) for m in messages] == [
        ("By the parent.", ()),
        ("By all.", ()),
        ("By 0.", ()),
        ("By 1.", (1,)),
    ]


def test_rank_0_speaks_for_all_about_a_metric_that_is_not_synced():
    with collect_messages() as messages:
        run_processes(validate)
    advice = [m for m in messages if "sync_dist=True" in m.text]
    assert [(m.speaker, m.processes) for m in advice] == [("Lightning", ())]
