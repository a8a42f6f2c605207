"""The scripts deploy_v1.py: azureml-core."""

import pytest
from running import FOLDERS, answers

operation = pytest.mark.operation


@pytest.fixture(scope="module")
def started(berth, begun):
    place = ["-g", "examples", "-w", "examples"]
    berth("ml", "computetarget", "create", "aks", "-n", "examples", *place, "--agent-count", "1", "--cluster-purpose", "DevTest", "--nodes", "real")
    yield begun("deploy_v1.py", *FOLDERS)
    for service in berth("ml", "service", "list", *place):
        berth("ml", "service", "delete", "-n", service["name"], *place)
    berth("ml", "computetarget", "delete", "-n", "examples", *place, "-y")  # a machine has room for one cluster of real nodes


@operation("examples/container: an image of one's own, made without Docker, with its model")
def test_container(started):
    _, (scored,) = answers(started["container"])
    assert 100 < scored[0] < 300


@operation("examples/iris-onnx: an ONNX model in a curated environment, which Environment.get answers")
def test_onnx(started):
    text, (scored,) = answers(started["iris-onnx"])
    assert scored["label"] == [0, 2] and 0.9 < scored["probabilities"][0][0] <= 1
    assert "is a list of packages here" in text, text


@operation("examples/diabetes: a scikit-learn model with score.py, and without a script by its framework (Model.deploy without InferenceConfig)")
def test_diabetes(started):
    _, (scored, bare) = answers(started["diabetes"])
    assert 100 < scored[0] < 300 and bare == {"predict": scored}


@operation("examples/mlflow: a model that MLflow has saved, in the environment of its conda.yaml")
def test_mlflow(started):
    _, (scored,) = answers(started["mlflow"])
    assert 100 < scored[0] < 300
