"""What the tests of all Python clients share: each test is one operation, and a row in docs/compatibility.md."""

import json
import os
import subprocess

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "operation(name, gap=None): the row in docs/compatibility.md; gap says what does not work and why")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    mark = item.get_closest_marker("operation")
    if mark is None or (report.when != "call" and report.passed):
        return
    line = {"operation": mark.args[0], "ok": report.passed, "seconds": round(call.duration, 2)}
    if "gap" in mark.kwargs:
        line["note"] = mark.kwargs["gap"]
    with open(os.environ["COMPAT_REPORT"], "a", encoding="utf-8") as f:
        f.write(json.dumps(line, ensure_ascii=False) + "\n")


def run_berth(*args):
    """The berth command, for what a test needs to be there beforehand. Gives what it prints, as JSON."""
    done = subprocess.run(["berth", *args, "-o", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture(scope="session")
def berth():
    return run_berth


@pytest.fixture(scope="session")
def subscription():
    return os.environ["AZURE_SUBSCRIPTION_ID"]


@pytest.fixture(scope="session")
def group(berth):
    """The document's resource group, with its workspace and its existing cluster."""
    berth("group", "create", "-n", "myresourcegroup", "-l", "westus")
    berth("ml", "workspace", "create", "-n", "myworkspace", "-g", "myresourcegroup")
    return "myresourcegroup"


@pytest.fixture(scope="session")
def existing(berth, group):
    """A managed cluster that somebody made: 3 nodes of 4 vCPUs."""
    return berth("aks", "create", "-n", "myexistingcluster", "-g", group, "--node-count", "3", "--node-vm-size", "Standard_D3_v2")["id"]


@pytest.fixture(scope="session")
def kubectl():
    """Asks a cluster as kubectl would: with the file, its authority and its credential, and nothing else."""
    return ask_cluster


def ask_cluster(kubeconfig, path):
    import base64
    import ssl
    import tempfile
    import urllib.request

    import yaml

    with open(kubeconfig, encoding="utf-8") as f:
        config = yaml.safe_load(f)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.TemporaryDirectory() as folder:
        for name in ("certificate", "key"):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(base64.b64decode(user[f"client-{name}-data"]))
        context.load_cert_chain(os.path.join(folder, "certificate"), os.path.join(folder, "key"))
    with urllib.request.urlopen(cluster["server"] + path, context=context) as answer:
        return json.load(answer)
