"""The az of 2023, as Debian 12 still has it: the shape of versions that it reads, and the document's query on it."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

operation = pytest.mark.operation
AZ = Path(os.environ["COMPAT_CLIENT"]) / "bin"


def run(line):
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env={**os.environ, "PATH": f"{AZ}{os.pathsep}{os.environ['PATH']}"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def login():
    # With any other tenant this version asks login.microsoftonline.com about it first.
    return json.loads(run('az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant adfs'))


@operation("az login --service-principal --tenant adfs; az account show")
def test_login(login, subscription):
    assert [s["id"] for s in login] == [subscription]
    assert json.loads(run("az account show"))["environmentName"] == "Berth"


@operation("the document: az aks get-versions -l westus --query \"orchestrators[?default == `true`].orchestratorVersion\" -o table")
def test_default_listing(login):
    # Its backticks are for a command line that leaves them alone, as that of Windows does: bash would run what is between them.
    words = shlex.split((Path(__file__).parent / "listings" / "default-version.txt").read_text(encoding="utf-8"))
    done = subprocess.run([AZ / words[0], *words[1:]], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Result", "--------", "1.36.0"]


@operation("the document: az aks get-versions -l westus -o table")
def test_versions(login):
    lines = run("az aks get-versions -l westus -o table").splitlines()
    assert lines[0].split() == ["KubernetesVersion", "Upgrades"] and len(lines) > 3


@operation("az aks list, show, get-credentials; kubectl works with them")
def test_cluster(login, existing, tmp_path, kubectl):
    assert "myexistingcluster" in json.loads(run("az aks list --query '[].name'"))
    assert json.loads(run("az aks show -n myexistingcluster -g myresourcegroup --query id")).lower() == existing.lower()
    run(f"az aks get-credentials -n myexistingcluster -g myresourcegroup -f {tmp_path / 'config'}")
    assert len(kubectl(tmp_path / "config", "get", "nodes")["items"]) == 3
