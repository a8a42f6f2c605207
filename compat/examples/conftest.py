"""The folders of examples/, run as their READMEs say: each trains a model, deploys it to a real node and scores a row."""

import json
import os
import shutil
import subprocess

import pytest
from running import EXAMPLES, FOLDERS, begin, output

@pytest.fixture(scope="session")
def trained(berth, tmp_path_factory):
    """A copy of the examples with their models, the images on the server, and a workspace."""
    here = tmp_path_factory.mktemp("examples")
    shutil.copytree(EXAMPLES, here, dirs_exist_ok=True)
    training = [begin(here / folder, "train.py") for folder in FOLDERS]
    berth("image", "build", "--file", str(here / "python.tar"))
    output(begin(here / "container", "image.py", str(here / "python.tar"), "examples/diabetes:1", "image.tar"))
    berth("image", "import", str(here / "python.tar"))
    berth("image", "import", str(here / "container" / "image.tar"))
    berth("group", "create", "-n", "examples", "-l", "westus")
    berth("ml", "workspace", "create", "-n", "examples", "-g", "examples")
    for process in training:
        output(process)
    return here


@pytest.fixture(scope="module")
def begun(trained):
    """Starts scripts of examples at the same time; those that are left are ended."""
    out = subprocess.run(["berth", "env", "--proxy", "--shell", "json"], capture_output=True, text=True, check=True).stdout
    env = {**os.environ, **{name: value for name, value in json.loads(out).items() if name.lower() == "https_proxy"}}
    processes = {}

    def start(script, *folders):
        processes.update({folder: begin(trained / folder, script, env=env) for folder in folders})
        return processes

    yield start
    for process in processes.values():
        process.kill()
        process.wait()
