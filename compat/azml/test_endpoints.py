"""Deploy models to endpoints on real nodes and score them, as the notebooks of azure-ai-ml do. Files have a host name of their own: see proxy."""

import json
import time

import pytest
import requests
from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri
from azure.ai.ml.entities import CodeConfiguration, DataCollector, DeploymentCollection, Environment, KubernetesCompute, KubernetesOnlineDeployment, KubernetesOnlineEndpoint, ManagedOnlineEndpoint, Model, OnlineRequestSettings, ProbeSettings, ResourceRequirementsSettings, ResourceSettings, TargetUtilizationScaleSettings
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

operation = pytest.mark.operation
pytestmark = pytest.mark.usefixtures("proxy")

# Says who it is, what its model is, and counts what it was asked.
SCORE = """
import json, os
NAME = "{name}"
asked = 0

def init():
    global factor
    folder = os.environ["AZUREML_MODEL_DIR"]
    with open(os.path.join(folder, "model", "factor.json")) as f:
        factor = json.load(f)
    from helper import double
    factor = double(factor)

def run(data):
    global asked
    asked += 1
    print("asked", asked, os.environ.get("GREETING"))
    return {{"name": NAME, "scored": [factor * v for v in json.loads(data)["data"]]}}
"""
CONDA = {"name": "small", "channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", {"pip": ["azureml-inference-server-http"]}]}
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Folders of models and code, and a request."""
    root = tmp_path_factory.mktemp("endpoints")
    (root / "model").mkdir()
    (root / "model" / "factor.json").write_text("21")
    for name in ("blue", "green"):
        (root / name).mkdir()
        (root / name / "score.py").write_text(SCORE.format(name=name))
        (root / name / "helper.py").write_text("def double(x): return 2 * x\n")
    (root / "broken").mkdir()
    (root / "broken" / "score.py").write_text("def init():\n    raise RuntimeError('the weights are missing')\n\ndef run(data): pass\n")
    (root / "request.json").write_text(json.dumps({"data": [1, 2]}))
    return root


@pytest.fixture(scope="module")
def edge(ml, berth, group):
    """A cluster whose nodes run containers, attached as KubernetesCompute, and the image in which Python runs."""
    berth("image", "build")
    cluster = berth("aks", "create", "-n", "edge", "-g", group, "--node-count", "1", "--node-vm-size", "Standard_D3_v2", "--nodes", "real")["id"]
    return ml.compute.begin_create_or_update(KubernetesCompute(name="edge", resource_id=cluster, namespace="ml")).result().name


def deployment(here, name, folder=None, **kwargs):
    settings = {
        "model": Model(path=str(here / "model")), "environment": Environment(conda_file=CONDA, image=IMAGE), "instance_count": 1,
        "code_configuration": CodeConfiguration(code=str(here / (folder or name)), scoring_script="score.py"), "environment_variables": {"GREETING": "hello"},
        "resources": ResourceRequirementsSettings(requests=ResourceSettings(cpu="100m", memory="0.5Gi"), limits=ResourceSettings(cpu="1", memory="1Gi")),
        "readiness_probe": ProbeSettings(period=5, initial_delay=0), "request_settings": OnlineRequestSettings(request_timeout_ms=20_000, max_queue_wait_ms=2_000),
    }
    return KubernetesOnlineDeployment(**{"name": name, "endpoint_name": "numbers", **settings, **kwargs})


@pytest.fixture(scope="module")
def scored(ml, here):
    """The name of the deployment that answers a plain request. (After an invoke with deployment_name, the SDK names it in all others too.)"""

    def call():
        uri, keys = ml.online_endpoints.get("numbers").scoring_uri, ml.online_endpoints.get_keys("numbers")
        credential = getattr(keys, "primary_key", None) or keys.access_token
        answer = requests.post(uri, data=(here / "request.json").read_text(), headers={"Authorization": "Bearer " + credential}, timeout=60)
        assert answer.status_code == 200, (answer.status_code, answer.text, answer.headers)
        assert answer.json() == {"name": answer.headers["azureml-model-deployment"], "scored": [42, 84]}
        return answer.json()["name"]

    return call


def invoke(ml, here, **kwargs):
    return json.loads(ml.online_endpoints.invoke("numbers", request_file=str(here / "request.json"), **kwargs))


@operation("online_endpoints.begin_create_or_update(KubernetesOnlineEndpoint), get, list: with its address, before it has deployments")
def test_endpoint(ml, edge):
    made = ml.online_endpoints.begin_create_or_update(KubernetesOnlineEndpoint(name="numbers", compute=edge, auth_mode="key", description="two numbers", tags={"a": "b"})).result()
    assert made.provisioning_state == "Succeeded" and made.scoring_uri.endswith("/api/v1/endpoint/numbers/score"), made
    got = ml.online_endpoints.get("numbers")
    assert (got.auth_mode, got.description, got.tags, got.traffic) == ("key", "two numbers", {"a": "b"}, {}) and got.compute.endswith("/computes/edge")
    assert got.openapi_uri.endswith("/api/v1/endpoint/numbers/swagger.json") and [e.name for e in ml.online_endpoints.list()] == ["numbers"]
    key = ml.online_endpoints.get_keys("numbers").primary_key
    answer = requests.post(got.scoring_uri, json={}, headers={"Authorization": "Bearer " + key}, timeout=60)
    assert answer.status_code == 404 and "No valid deployments" in answer.text


@operation("online_deployments.begin_create_or_update(KubernetesOnlineDeployment) with model, code and environment of local files: scored on a real node")
def test_deployment(ml, here, edge):
    made = ml.online_deployments.begin_create_or_update(deployment(here, "blue")).result()
    assert made.provisioning_state == "Succeeded" and made.instance_count == 1 and made.request_settings.request_timeout_ms == 20_000
    got = ml.online_deployments.get("blue", "numbers")
    assert got.environment_variables == {"GREETING": "hello"} and got.resources.requests.cpu == "100m" and got.code_configuration.scoring_script == "score.py"
    assert [d.name for d in ml.online_deployments.list("numbers")] == ["blue"]


@operation("traffic: online_endpoints.invoke by the percentages, and with deployment_name")
def test_traffic(ml, here, scored):
    endpoint = ml.online_endpoints.get("numbers")
    endpoint.traffic = {"blue": 100}
    assert ml.online_endpoints.begin_create_or_update(endpoint).result().traffic == {"blue": 100}
    assert invoke(ml, here) == invoke(ml, here, deployment_name="blue") == {"name": "blue", "scored": [42, 84]}
    assert scored() == "blue"


@operation("online_deployments.get_logs: of the inference server and of what prepares it")
def test_logs(ml):
    assert "hello" in ml.online_deployments.get_logs("blue", "numbers", lines=50)
    assert isinstance(ml.online_deployments.get_logs("blue", "numbers", lines=50, container_type="storage-initializer"), str)


@operation("online_endpoints.get_keys, begin_regenerate_keys: the key of before gets 401")
def test_keys(ml, here):
    uri = ml.online_endpoints.get("numbers").scoring_uri
    call = lambda key: requests.post(uri, data=(here / "request.json").read_text(), headers={"Authorization": "Bearer " + key}, timeout=60).status_code
    before = ml.online_endpoints.get_keys("numbers")
    assert call(before.primary_key) == call(before.secondary_key) == 200 and call("wrong") == 401
    ml.online_endpoints.begin_regenerate_keys("numbers", key_type="primary").result()
    after = ml.online_endpoints.get_keys("numbers")
    assert after.primary_key != before.primary_key and after.secondary_key == before.secondary_key and call(after.primary_key) == 200
    until(lambda: call(before.primary_key) == 401)


def until(holds, seconds=300):
    """Waits until the router of the cluster has heard of a change."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


@operation("a second deployment: safe rollout by traffic and mirror_traffic; one with traffic is not deleted")
def test_rollout(ml, here, scored):
    ml.online_deployments.begin_create_or_update(deployment(here, "green")).result()
    assert scored() == "blue" and invoke(ml, here, deployment_name="green")["name"] == "green"
    endpoint = ml.online_endpoints.get("numbers")
    endpoint.mirror_traffic = {"green": 50}
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    until(lambda: scored() == "blue" and ml.online_deployments.get_logs("green", "numbers", lines=50).count("asked") > 1)
    endpoint.mirror_traffic, endpoint.traffic = {}, {"blue": 50, "green": 50}
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    seen = set()
    until(lambda: seen.add(scored()) or seen == {"blue", "green"})
    with pytest.raises(HttpResponseError, match="50 percent of the traffic"):
        ml.online_deployments.begin_delete("blue", "numbers").result()
    endpoint.traffic = {"green": 100}
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    ml.online_deployments.begin_delete("blue", "numbers").result()
    assert [d.name for d in ml.online_deployments.list("numbers")] == ["green"] and scored() == "green"
    with pytest.raises(ResourceNotFoundError):
        ml.online_deployments.get("blue", "numbers")


@operation("an update: instance_count, and autoscaling by TargetUtilizationScaleSettings")
def test_scale(ml, scored):
    green = ml.online_deployments.get("green", "numbers")
    green.instance_count = 2
    assert ml.online_deployments.begin_create_or_update(green).result().instance_count == 2
    green.scale_settings = TargetUtilizationScaleSettings(min_instances=1, max_instances=2, target_utilization_percentage=70, polling_interval=1)
    scale = ml.online_deployments.begin_create_or_update(green).result().scale_settings
    assert (scale.type, scale.min_instances, scale.max_instances, scale.polling_interval) == ("target_utilization", 1, 2, 1)
    assert scored() == "green"


@operation("a broken scoring script is told with its exception; what was served goes on")
def test_broken(ml, here, scored):
    with pytest.raises(HttpResponseError, match="the weights are missing"):
        ml.online_deployments.begin_create_or_update(deployment(here, "green", "broken")).result()
    assert scored() == "green"


@operation("a ready image with inference_config, without code and model")
def test_image(ml, here, scored):
    at = {"port": 8080, "path": "/"}
    image = Environment(name="hello", image="berth.dev/hello:1", inference_config={"liveness_route": at, "readiness_route": at, "scoring_route": {"port": 8080, "path": "/predict"}})
    made = ml.online_deployments.begin_create_or_update(deployment(here, "image", model=None, code_configuration=None, environment=image)).result()
    assert made.provisioning_state == "Succeeded" and made.code_configuration is None
    uri, key = ml.online_endpoints.get("numbers").scoring_uri, ml.online_endpoints.get_keys("numbers").primary_key
    answer = requests.post(uri, data="{}", headers={"Authorization": "Bearer " + key, "azureml-model-deployment": "image"}, timeout=60)
    assert answer.status_code == 200 and answer.text.startswith("Hello from the pod numbers-image")
    assert "POST /predict" in ml.online_deployments.get_logs("image", "numbers", lines=20) and scored() == "green"


@operation("data_collector with the collections request and response: read back as lines of JSON from the data assets that the SDK registers")
def test_collected(ml, here, scored, tmp_path):
    both = {name: DeploymentCollection(enabled="true") for name in ("request", "response")}
    ml.online_deployments.begin_create_or_update(deployment(here, "green", data_collector=DataCollector(both, rolling_rate="minute", sampling_rate=1.0))).result()
    assert set(ml.online_deployments.get("green", "numbers").data_collector.collections) == {"request", "response"}

    def events(name):
        """As the article on collected data downloads them."""
        asset = ml.data.get(f"numbers-green-{name}", version="1")
        download_artifact_from_aml_uri(asset.path, str(tmp_path / name), ml.datastores)
        return [json.loads(line) for file in (tmp_path / name).rglob("*.jsonl") for line in file.read_text().splitlines()]

    until(lambda: scored() == "green" and events("request") and events("response"), seconds=90)
    asked, said = events("request")[0], {event["correlationid"]: event for event in events("response")}
    answer = said[asked["correlationid"]]
    assert asked["specversion"] == "1.0" and asked["data"] == {"data": [1, 2]} and answer["data"] == {"name": "green", "scored": [42, 84]}
    assert (asked["type"], answer["type"]) == ("azureml.inference.request", "azureml.inference.response")
    assert asked["source"].endswith("/onlineEndpoints/numbers/deployments/green") and "authorization" not in json.dumps(asked).lower()


COLLECT = """
import json
import pandas
from azureml.ai.monitoring import Collector

def init():
    global inputs, outputs
    inputs, outputs = Collector(name="model_inputs"), Collector(name="model_outputs")

def run(data):
    frame = pandas.DataFrame(json.loads(data))
    context = inputs.collect(frame)
    outputs.collect(2 * frame, context)
    return (2 * frame).to_dict()
"""


@operation("azureml-ai-monitoring in the scoring script: Collector.collect of data frames, read back with one correlation id from the data assets")
def test_collector(ml, here, tmp_path):
    (here / "collects").mkdir()
    (here / "collects" / "score.py").write_text(COLLECT)
    packages = {**CONDA, "dependencies": ["python=3.11", "pip", {"pip": ["azureml-inference-server-http", "azureml-ai-monitoring"]}]}
    collector = DataCollector({name: DeploymentCollection(enabled="true") for name in ("model_inputs", "model_outputs")}, sampling_rate=1.0)
    made = ml.online_deployments.begin_create_or_update(deployment(here, "collects", data_collector=collector, environment=Environment(conda_file=packages, image=IMAGE))).result()
    assert made.provisioning_state == "Succeeded"
    uri, key = ml.online_endpoints.get("numbers").scoring_uri, ml.online_endpoints.get_keys("numbers").primary_key
    answer = requests.post(uri, json={"x": [1, 2]}, headers={"Authorization": "Bearer " + key, "azureml-model-deployment": "collects"}, timeout=60)
    assert answer.json() == {"x": {"0": 2, "1": 4}}

    def events(name):
        asset = ml.data.get(f"numbers-collects-{name}", version="1")
        download_artifact_from_aml_uri(asset.path, str(tmp_path / name), ml.datastores)
        return [json.loads(line) for file in (tmp_path / name).rglob("*.jsonl") for line in file.read_text().splitlines()]

    until(lambda: events("model_inputs") and events("model_outputs"), seconds=90)
    (asked,), (said,) = events("model_inputs"), events("model_outputs")
    assert (asked["data"], said["data"]) == ([{"x": 1}, {"x": 2}], [{"x": 2}, {"x": 4}]) and asked["correlationid"] == said["correlationid"]
    assert asked["type"] == "azureml.inference.model_inputs" and asked["collectdatatype"].startswith("pandas.")
    assert asked["source"].endswith("/onlineEndpoints/numbers/deployments/collects")
    ml.online_deployments.begin_delete("collects", "numbers").result()


@operation("auth_mode=aml_token: get_keys gives a token; a key gets 401")
def test_token(ml, here, scored):
    endpoint = ml.online_endpoints.get("numbers")
    key = ml.online_endpoints.get_keys("numbers").primary_key
    endpoint.auth_mode = "aml_token"
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    token = ml.online_endpoints.get_keys("numbers")
    call = lambda credential: requests.post(endpoint.scoring_uri, data=(here / "request.json").read_text(), headers={"Authorization": "Bearer " + credential}, timeout=60).status_code
    until(lambda: call(key) == 401)
    assert token.expiry_time_utc > token.refresh_after_time_utc and call(token.access_token) == 200 and scored() == "green"


@operation("reports all that is wrong at once: managed endpoints, traffic, instance type, sizes")
def test_refused(ml, here):
    with pytest.raises(HttpResponseError, match="no managed endpoints"):
        ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="managed")).result()
    endpoint = ml.online_endpoints.get("numbers")
    endpoint.traffic = {"green": 50, "nosuch": 10}
    with pytest.raises(HttpResponseError, match="(?s)no deployment 'nosuch'.*60 in sum"):
        ml.online_endpoints.begin_create_or_update(endpoint).result()
    with pytest.raises(HttpResponseError, match="(?s)'many' is not a quantity.*no instance type 'Standard_Huge'"):
        ml.online_deployments.begin_create_or_update(deployment(here, "blue", instance_type="Standard_Huge", resources=ResourceRequirementsSettings(requests=ResourceSettings(cpu="many", memory="1Gi")))).result()


@operation("online_endpoints.begin_delete: with its deployments")
def test_delete(ml, here):
    uri = ml.online_endpoints.get("numbers").scoring_uri
    ml.online_endpoints.begin_delete("numbers").result()
    assert [e.name for e in ml.online_endpoints.list()] == []
    assert requests.post(uri, data="{}", timeout=60).status_code == 404
