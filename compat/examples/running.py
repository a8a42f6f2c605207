"""Scripts of examples/ as processes, and what they print."""

import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = ["diabetes", "iris-onnx", "mlflow", "container"]
PATIENCE = 600  # seconds, on a machine that is busy with other tests


def begin(folder, script, *args, env=None):
    """Starts a script in the folder of an example."""
    return subprocess.Popen([sys.executable, script, *args], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def output(process):
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, text
    return text


def answers(process):
    """What a script prints, and in it the answers to the rows that it has scored."""
    text = output(process)
    found = [json.loads(line.removeprefix("answer: ")) for line in text.splitlines() if line.startswith("answer: ")]
    assert found, text
    return text, found
