"""The hook that pre-commit runs on changed files."""

from pathlib import Path

import yaml
from command_line import course_says

ROOT = Path(__file__).parents[2]
BAD = """import lightning as L


class Model(L.LightningModule):
    def training_step(self, batch, batch_idx):
        x, y = batch
        x *= 2
        return (x - y).sum()
"""


def test_the_hook_reads_the_files_that_it_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert {"id", "name", "entry", "language"} <= {*hook}
    command, *arguments = hook["entry"].split()
    assert command == "course"
    Path("bad.py").write_text(BAD)
    Path("good.py").write_text(BAD.replace("x *= 2", "x = x * 2"))
    result = course_says(*arguments, "good.py", "bad.py")
    assert result.exit_code == 1
    assert "bad.py:7: 12.5" in result.stdout
    assert course_says(*arguments, "good.py").exit_code == 0
