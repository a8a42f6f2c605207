"""The scripts deploy_v2.py of what only SDK v2 has: azure-ai-ml."""

import pytest
from azure.ai.ml.entities import KubernetesCompute
from running import EXAMPLES, answers

operation = pytest.mark.operation


@pytest.fixture(scope="module")
def started(berth, begun, monkeypatch_module):
    monkeypatch_module.syspath_prepend(str(EXAMPLES))
    from berth_v2 import sign_in  # noqa: PLC0415  (its place is known only now)

    cluster = berth("aks", "create", "-n", "examples-k8s", "-g", "examples", "--node-count", "1", "--nodes", "real")["id"]
    sign_in().compute.begin_create_or_update(KubernetesCompute(name="examples-k8s", resource_id=cluster, namespace="examples")).result()
    return begun("deploy_v2.py", "mlflow", "container")


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@operation("examples/container: an image of one's own with inference_config")
def test_container(started):
    _, (scored,) = answers(started["container"])
    assert 100 < scored[0] < 300


@operation("examples/mlflow: a model that MLflow has saved, without a script and without an environment")
def test_mlflow(started):
    _, (scored,) = answers(started["mlflow"])
    assert 100 < scored[0] < 300
