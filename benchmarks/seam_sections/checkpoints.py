"""Whether a training that is killed at every checkpoint ends with the weights of an undisturbed one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EPOCHS = 4


def checkpoint_resume_equal() -> bool:
    """A digits training on the disk, its process killed by a signal each time that a checkpoint is journaled."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sessions = 0
        while subprocess.run([sys.executable, __file__, str(folder), "cut"]).returncode == -signal.SIGKILL:
            sessions += 1
        subprocess.run([sys.executable, __file__, str(folder), "whole"], check=True)
        whole, cut = (next((folder / run / "weights").iterdir()).read_bytes() for run in ("whole", "cut"))
        return sessions >= EPOCHS - 1 and whole == cut


def _train(folder: Path, name: str) -> None:
    from configs.digits_aging import config
    from edgevolve.engine import Inline, search
    from edgevolve.engine.train_task import Train
    from edgevolve.runs import Run, events
    from edgevolve.training import TrainingSettings

    settings = TrainingSettings(epochs=EPOCHS)
    task = Train(settings, checkpoint_s=0.0)
    journal = folder / name / "journal.jsonl"

    def observe(run: Run, event: events.Event) -> None:
        if name == "cut" and isinstance(event, events.Progressed):
            os.kill(os.getpid(), signal.SIGKILL)

    fields: Mapping[str, Any] = {"task": task, "training": settings, "evaluations": 1}
    chosen = config.with_fields(**fields)
    search(chosen, name, out=folder, resume=journal.exists(), evaluator=Inline, observe=observe)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    _train(Path(sys.argv[1]), sys.argv[2])
