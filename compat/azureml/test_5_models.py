"""Register models, deploy them to real nodes and score them, as the notebooks do. Files have a host name of their own: see proxy."""

import json
import os
import time
from pathlib import Path
from urllib.parse import urlparse
from xml.etree import ElementTree

import pytest
import requests
import urllib3
from azureml.core import Environment, Model
from azureml.core.compute import AksCompute
from azureml.core.compute.aks import AksUpdateConfiguration, SslConfiguration
from azureml.core.conda_dependencies import CondaDependencies
from azureml.core.model import InferenceConfig
from azureml.core.webservice import AksEndpoint, AksWebservice, Webservice
from azureml.exceptions import WebserviceException

operation = pytest.mark.operation
pytestmark = pytest.mark.usefixtures("proxy")


# Trains in the environment itself: what is pickled with one version of scikit-learn need not load with another.
RIDGE = """
import json
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

def init():
    global model
    x, y = load_diabetes(return_X_y=True)
    model = Ridge().fit(x, y)

def run(data):
    return model.predict(json.loads(data)["data"]).tolist()
"""


@pytest.fixture(scope="module", autouse=True)
def here(tmp_path_factory):
    """The working folder: the SDK registers nothing from outside of it."""
    before, folder = os.getcwd(), tmp_path_factory.mktemp("here")
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def registered(ws, here):
    (here / "model.json").write_text(json.dumps({"coef": [1, 2, 3]}))
    return Model.register(ws, model_path="model.json", model_name="numbers", tags={"area": "demo"}, properties={"kind": "json"},
                          description="three numbers")


@operation("Model.register of a file: tags, properties, description; versions count up")
def test_register(ws, registered):
    assert registered.id == "numbers:1" and registered.tags == {"area": "demo"} and registered.properties == {"kind": "json"}
    again = Model.register(ws, model_path="model.json", model_name="numbers")
    assert again.version == 2
    again.delete()


@operation("Model.list, ws.models, Model(ws, name, version, id): filters by name, tags, latest")
def test_list(ws, registered, here):
    (here / "other.txt").write_text("other")
    other = Model.register(ws, model_path="other.txt", model_name="other")
    assert {m.id for m in Model.list(ws)} >= {"numbers:1", "other:1"}
    assert [m.id for m in Model.list(ws, name="numbers")] == ["numbers:1"]
    assert [m.id for m in Model.list(ws, tags=[["area", "demo"]])] == ["numbers:1"]
    assert Model(ws, "numbers").id == Model(ws, id="numbers:1").id == "numbers:1" and "other" in ws.models
    other.delete()


@operation("Model.download of a file and of a folder, Model.update, add_tags, delete")
def test_download(ws, registered, here, tmp_path):
    folder = here / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "b.bin").write_bytes(os.urandom(5_000_000))
    made = Model.register(ws, model_path="folder", model_name="folder")
    back = made.download(str(tmp_path / "back"))
    assert (tmp_path / "back" / "folder" / "sub" / "b.bin").read_bytes() == (folder / "sub" / "b.bin").read_bytes(), back
    registered.download(str(tmp_path / "back"))
    assert json.loads((tmp_path / "back" / "model.json").read_text()) == {"coef": [1, 2, 3]}
    made.add_tags({"a": "b"})
    made.update(description="changed")
    again = Model(ws, id="folder:1")
    assert again.tags == {"a": "b"} and again.description == "changed"
    again.delete()
    with pytest.raises(WebserviceException, match="ModelNotFound|not found"):
        Model(ws, "folder")


def environment(name, *packages):
    made = Environment(name)
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=["azureml-defaults", *packages], python_version="3.11")
    return made


@operation("Environment.register, get, list; the same again keeps its version")
def test_environment(ws):
    assert environment("numbers-env").register(ws).version == "1"
    assert environment("numbers-env").register(ws).version == "1"
    assert environment("numbers-env", "joblib").register(ws).version == "2"
    assert Environment.get(ws, "numbers-env").version == "2" and Environment.get(ws, "numbers-env", version="1").version == "1"
    assert "numbers-env" in Environment.list(ws)


@pytest.fixture
def manager(ws, subscription):
    """Resource Manager, below the workspace: what version 2 of the SDK registers comes that way."""
    e = os.environ
    token = requests.post(f"{e['BERTH_TEST_ENDPOINT']}/{e['AZURE_TENANT_ID']}/oauth2/v2.0/token", timeout=60, data={
        "grant_type": "client_credentials", "client_id": e["AZURE_CLIENT_ID"], "client_secret": e["AZURE_CLIENT_SECRET"],
        "scope": e["BERTH_TEST_ENDPOINT"] + "/.default"}).json()["access_token"]
    base = (f"{e['BERTH_TEST_ENDPOINT']}/subscriptions/{subscription}/resourceGroups/{ws.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{ws.name}")

    def call(method, path, properties=None):
        body = {"properties": properties} if properties else None
        answer = requests.request(method, f"{base}{path}?api-version=2024-04-01", json=body, headers={"Authorization": "Bearer " + token}, timeout=60)
        answer.raise_for_status()
        return answer.json().get("properties", answer.json())

    return call


@operation("a model and an environment that version 2 of the SDK registered: list, get, tags, download")
def test_of_v2(ws, registered, manager, tmp_path):
    uri = manager("GET", f"/models/{registered.name}/versions/{registered.version}")["modelUri"]
    manager("PUT", "/models/second/versions/4", {"modelUri": uri, "description": "of v2", "tags": {"a": "b"}})
    model = Model(ws, "second")
    assert (model.version, model.description, model.tags) == (4, "of v2", {"a": "b"}) and "second" in ws.models
    assert json.loads(Path(model.download(str(tmp_path))).read_text()) == {"coef": [1, 2, 3]}
    model.add_tags({"c": "d"})
    assert manager("GET", "/models/second/versions/4")["tags"] == {"a": "b", "c": "d"}
    assert Model.register(ws, model_path="model.json", model_name="second").version == 5
    manager("PUT", "/environments/second-env/versions/1", {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
                                                           "condaFile": "dependencies: [python=3.11, {pip: [numpy]}]"})
    got = Environment.get(ws, "second-env")
    assert list(got.python.conda_dependencies.pip_packages) == ["numpy"] and not got.python.user_managed_dependencies


@pytest.fixture(scope="module")
def target(ws, berth):
    """A compute whose nodes run containers, and the image in which Python runs."""
    berth("image", "build")
    berth("ml", "computetarget", "create", "aks", "-n", "serving", "-g", ws.resource_group, "-w", ws.name, "--agent-count", "1", "--cluster-purpose",
          "DevTest", "--nodes", "real")
    return AksCompute(ws, "serving")


def deploy(ws, name, script, env, target, models=(), **kwargs):
    folder = os.path.join(os.environ["HOME"], name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "score.py"), "w", encoding="utf-8") as f:
        f.write(script)
    inference = InferenceConfig(entry_script="score.py", source_directory=folder, environment=env)
    config = AksWebservice.deploy_configuration(**{"cpu_cores": 0.2, "memory_gb": 0.5, "num_replicas": 1, **kwargs})
    return Model.deploy(ws, name, list(models), inference, config, target, overwrite=True)


@operation("Model.deploy with a scikit-learn environment, wait_for_deployment with its progress, run: scored on a real node")
def test_deploy(ws, target, capsys):
    began = time.monotonic()
    service = deploy(ws, "ridge", RIDGE, environment("ridge-env", "scikit-learn"), target)
    service.wait_for_deployment(show_output=True)
    told, took = capsys.readouterr().out, time.monotonic() - began
    assert service.state == "Healthy"
    # The SDK prints no steps of what has ended when it asks for the second time.
    assert took < 8 or ("packages were resolved" in told and "replicas answer" in told), told
    scored = service.run(json.dumps({"data": [[0.03, 0.05, 0.06, 0.02, -0.04, -0.03, -0.04, 0.0, 0.02, -0.02]]}))
    assert 100 < scored[0] < 300
    assert ws.webservices["ridge"].scoring_uri == service.scoring_uri and service.scoring_uri.endswith("/api/v1/service/ridge/score")


@operation("AksWebservice.get_keys, regen_key, get_logs, swagger; a wrong key gets 401")
def test_keys(ws, target):
    service = AksWebservice(ws, "ridge")
    row = json.dumps({"data": [[0.0] * 10]})
    first, second = service.get_keys()
    call = lambda key: requests.post(service.scoring_uri, data=row, headers={"Authorization": "Bearer " + key}, timeout=60)
    assert call(first).status_code == call(second).status_code == 200 and call("wrong").status_code == 401
    service.regen_key("Primary", "a-key-of-my-own")
    assert service.get_keys()[0] == "a-key-of-my-own" and call("a-key-of-my-own").status_code == 200
    assert "POST /score 200" in service.get_logs()
    assert requests.get(service.swagger_uri, headers={"Authorization": "Bearer " + second}, timeout=60).json()["swagger"] == "2.0"


@operation("AksWebservice.update: replicas, description, tags, a new script; keys stay")
def test_update(ws, target):
    service = AksWebservice(ws, "ridge")
    keys = service.get_keys()
    service.update(num_replicas=2, description="two of them", tags={"stage": "test"})
    service.wait_for_deployment()
    assert (service.num_replicas, service.description, service.tags, service.state) == (2, "two of them", {"stage": "test"}, "Healthy")
    assert service.get_keys() == keys


@operation("token_auth_enabled: AksWebservice.get_token and get_access_token; another service's token and a key get 401")
def test_token(ws, target):
    service = AksWebservice(ws, "ridge")
    row = json.dumps({"data": [[0.0] * 10]})
    key = service.get_keys()[0]
    service.update(auth_enabled=False, token_auth_enabled=True)
    service.wait_for_deployment()
    assert service.token_auth_enabled and service.run(row)
    token = service.get_access_token()
    call = lambda credential: requests.post(service.scoring_uri, data=row, headers={"Authorization": "Bearer " + credential}, timeout=60).status_code
    assert token.expiry_on > token.refresh_after and call(token.access_token) == 200 and call(key) == call(token.access_token[:-4] + "AAAA") == 401
    service.update(auth_enabled=True, token_auth_enabled=False)
    service.wait_for_deployment()
    assert call(key) == 200 and call(token.access_token) == 401


@operation("SslConfiguration of the compute: its services answer over TLS under the name of the certificate")
def test_tls(ws, target, pem):
    address = urlparse(AksWebservice(ws, "ridge").scoring_uri).hostname
    certificate, key = (Path(file).read_text() for file in pem)
    target.update(AksUpdateConfiguration(SslConfiguration(status="Enabled", cert=certificate, key=key, cname="scoring.example.com")))
    target.wait_for_completion(show_output=False)
    service = AksWebservice(ws, "ridge")
    service.update(description="over TLS")
    service.wait_for_deployment()
    uri = urlparse(service.scoring_uri)
    assert (uri.scheme, uri.hostname) == ("https", "scoring.example.com")
    pool = urllib3.HTTPSConnectionPool(address, uri.port or 443, ca_certs=pem[0], server_hostname="scoring.example.com", assert_hostname="scoring.example.com")
    row = json.dumps({"data": [[0.0] * 10]})
    answer = pool.request("POST", uri.path, body=row, headers={"Authorization": "Bearer " + service.get_keys()[0]}, timeout=60)
    assert answer.status == 200 and json.loads(answer.data)
    target.update(AksUpdateConfiguration(SslConfiguration(status="Disabled")))
    target.wait_for_completion(show_output=False)
    service.update(description="without TLS")
    service.wait_for_deployment()
    assert service.scoring_uri.startswith("http://") and service.run(row)


@operation("a broken entry script is told with its traceback, in seconds; what was served goes on")
def test_broken(ws, target):
    env = environment("ridge-env", "scikit-learn")
    start = time.monotonic()
    service = deploy(ws, "broken", "import nosuchmodule\ndef init(): pass\ndef run(data): return data\n", env, target)
    with pytest.raises(WebserviceException, match="No module named 'nosuchmodule'"):
        service.wait_for_deployment()
    assert time.monotonic() - start < 120
    assert "No module named 'nosuchmodule'" in service.get_logs()  # its pods are gone, and what they wrote is not
    service.delete()
    assert "broken" not in ws.webservices
    assert Webservice(ws, "ridge").run(json.dumps({"data": [[0.0] * 10]}))


@operation("a package that does not exist is named")
def test_no_package(ws, target):
    service = deploy(ws, "nopackage", RIDGE, environment("nopackage-env", "no-such-package-anywhere==1.0"), target)
    with pytest.raises(WebserviceException, match="no-such-package-anywhere"):
        service.wait_for_deployment()
    service.delete()


@operation("Model.deploy reports all that is wrong at once: compute, model, timeout")
def test_refused(ws, target, registered):
    with pytest.raises(WebserviceException, match="(?s)scoring_timeout_ms cannot be greater than 300000.*nosuchcompute|nosuchcompute.*scoring_timeout_ms"):
        deploy(ws, "refused", RIDGE, environment("ridge-env"), None, [registered], compute_target_name="nosuchcompute", scoring_timeout_ms=400_000)
    assert "refused" not in ws.webservices


@operation("collect_model_data=True: requests and answers are read back from the files of the workspace, as lines of JSON")
def test_collected(ws, target, subscription, manager):
    (service := AksWebservice(ws, "ridge")).update(collect_model_data=True)
    service.wait_for_deployment()
    store, secrets = (manager(method, "/datastores/workspaceblobstore" + action) for method, action in (("GET", ""), ("POST", "/listSecrets")))
    container = f"https://{store['accountName']}.blob.{store['endpoint']}/{store['containerName']}"
    folder = f"modeldata/{subscription}/{ws.resource_group}/{ws.name}/ridge/none/0"  # the service has no model
    row, read = json.dumps({"data": [[0.0] * 10]}), lambda address: requests.get(f"{container}{address}{secrets['sasToken']}", timeout=60)
    def events(what):
        names = ElementTree.fromstring(read(f"?restype=container&comp=list&prefix={folder}/{what}/&").content).iter("Name")
        return [json.loads(line) for name in names for line in read(f"/{name.text}?").text.splitlines()]
    end = time.monotonic() + 90
    while not (service.run(row) and events("inputs") and events("predictions")) and time.monotonic() < end:
        time.sleep(0.2)
    asked, said = events("inputs")[0], {event["correlationid"]: event for event in events("predictions")}
    assert asked["data"] == json.loads(row) and said[asked["correlationid"]]["data"] == service.run(row)
    assert asked["source"].endswith("/services/ridge") and "authorization" not in json.dumps(asked).lower()


@operation("Webservice.delete")
def test_delete(ws, target):
    service = AksWebservice(ws, "ridge")
    uri = service.scoring_uri
    service.delete()
    assert "ridge" not in ws.webservices
    assert requests.post(uri, data="{}", timeout=60).status_code == 404


def version(name, here):
    """An InferenceConfig of which the answer is the name of the version."""
    folder = here / f"source-{name}"
    folder.mkdir(exist_ok=True)
    (folder / "score.py").write_text(f"def init():\n    print('here is {name}')\n\ndef run(data):\n    return '{name}'\n")
    return InferenceConfig(entry_script="score.py", source_directory=str(folder), environment=environment("numbers-env"))


def answers(uri, key, n=60):
    """How often each version answers."""
    said = [requests.post(uri, data="{}", headers={"Authorization": "Bearer " + key}, timeout=60).json() for _ in range(n)]
    return {name: said.count(name) for name in set(said)}


@operation("AksEndpoint: deploy_configuration and Model.deploy with a first version, run, get_keys, get_logs, ws.webservices")
def test_endpoint(ws, target, registered, here, capsys):
    config = AksEndpoint.deploy_configuration(cpu_cores=0.1, memory_gb=0.3, num_replicas=1, version_name="blue", traffic_percentile=20,
                                              tags={"stage": "test"}, description="two versions")
    endpoint = Model.deploy(ws, "rollout", [registered], version("blue", here), config, target)
    endpoint.wait_for_deployment(show_output=True)
    assert endpoint.state == "Healthy" and isinstance(ws.webservices["rollout"], AksEndpoint), capsys.readouterr().out
    assert endpoint.run("{}") == "blue" and endpoint.scoring_uri.endswith("/api/v1/endpoint/rollout/score")
    blue = endpoint.versions["blue"]
    assert (blue.is_default, blue.traffic_percentile, blue.state, endpoint.tags, endpoint.description) == (
        True, 20, "Healthy", {"stage": "test"}, "two versions")
    assert "here is blue" in endpoint.get_logs()
    first, second = endpoint.get_keys()
    assert answers(endpoint.scoring_uri, second, 1) == {"blue": 1} and len(first) == 32
    assert endpoint.serialize()["versions"]["blue"]["scoringUri"] == blue.scoring_uri


@operation("AksEndpoint.create_version, update_version: traffic_percentile, is_default, is_control_version_type; each version has an address")
def test_versions(ws, target, registered, here):
    endpoint = AksEndpoint(ws, "rollout")
    key = endpoint.get_keys()[0]
    endpoint.create_version("green", num_replicas=1, models=[registered], inference_config=version("green", here),
                            traffic_percentile=30, tags={"a": "b"}, description="the new one")
    endpoint.wait_for_deployment()
    endpoint = AksEndpoint(ws, "rollout")
    green = endpoint.versions["green"]
    assert (green.traffic_percentile, green.is_default, green.tags, green.description) == (30, False, {"a": "b"}, "the new one")
    said = answers(endpoint.scoring_uri, key)
    assert 3 < said["green"] < 40 and said["blue"] > 15, said
    assert green.scoring_uri.endswith("/api/v1/endpoint/rollout/versions/green/score") and answers(green.scoring_uri, key, 5) == {"green": 5}
    header = {"Authorization": "Bearer " + key, "azureml-model-deployment": "green"}
    assert requests.post(endpoint.scoring_uri, data="{}", headers=header, timeout=60).json() == "green"
    endpoint.update_version("green", traffic_percentile=80, is_default=True, is_control_version_type=True, description="the one")
    endpoint.wait_for_deployment()
    endpoint.update_version("blue", traffic_percentile=0, num_replicas=2, cpu_cores=0.2)
    endpoint.wait_for_deployment()
    endpoint = AksEndpoint(ws, "rollout")
    blue, green = endpoint.versions["blue"], endpoint.versions["green"]
    assert (green.is_default, green.version_type, blue.is_default, blue.version_type) == (True, "Control", False, "Treatment")
    assert blue.container_resource_requirements.cpu == 0.2
    assert (blue.num_replicas, green.description, endpoint.get_keys()[0]) == (2, "the one", key)
    assert answers(endpoint.scoring_uri, key) == {"green": 60} and answers(blue.scoring_uri, key, 3) == {"blue": 3}


@operation("AksEndpoint tells all that is wrong at once: traffic above 100, unknown and taken versions, removal of the default version")
def test_versions_refused(ws, registered, here):
    endpoint = AksEndpoint(ws, "rollout")
    with pytest.raises(WebserviceException, match="101 in sum"):
        endpoint.update_version("blue", traffic_percentile=21)
    with pytest.raises(WebserviceException, match="no version 'grey'"):
        endpoint.update_version("grey", traffic_percentile=1)
    with pytest.raises(WebserviceException, match="'green' is the default one"):
        endpoint.delete_version("green")
    with pytest.raises(WebserviceException, match="(?s)has a version 'blue' already"):
        endpoint.create_version("blue", models=[registered], inference_config=version("blue", here))
    with pytest.raises(WebserviceException, match="There is a service with the name 'rollout' already"):
        Model.deploy(ws, "rollout", [], version("blue", here), AksEndpoint.deploy_configuration(compute_target_name="serving"))


@operation("a version of an AksEndpoint with a broken entry script is told with its traceback, and goes; the others answer on")
def test_version_broken(ws, here):
    endpoint = AksEndpoint(ws, "rollout")
    broken = version("grey", here)
    (here / "source-grey" / "score.py").write_text("import nosuchmodule\ndef init(): pass\ndef run(data): return data\n")
    endpoint.create_version("grey", num_replicas=1, models=[], inference_config=broken, traffic_percentile=10)
    with pytest.raises(WebserviceException, match="No module named 'nosuchmodule'"):
        endpoint.wait_for_deployment()
    assert set(AksEndpoint(ws, "rollout").versions) == {"blue", "green"} and endpoint.run("{}") == "green"


@operation("AksEndpoint: tags, description and tokens by the patch of update, get_access_token; delete_version, delete",
           gap="works; update() and create_version(cpu_cores=…) of azureml-core itself raise an error before they ask the server: use "
               "update_version(cpu_cores=…) and `berth ml endpoint realtime`")
def test_endpoint_update(ws):
    endpoint = AksEndpoint(ws, "rollout")
    with pytest.raises(TypeError, match="cpu_cores_limit"):
        endpoint.update(description="changed")
    changes = {"/authEnabled": False, "/aadAuthEnabled": True, "/kvTags": {"c": "d"}, "/description": "changed"}
    headers = {"Content-Type": "application/json-patch+json", **ws._auth_object.get_authentication_header()}
    endpoint._patch_endpoint_call(headers, {}, [{"op": "replace", "path": path, "value": value} for path, value in changes.items()])
    endpoint.wait_for_deployment()
    endpoint = AksEndpoint(ws, "rollout")
    assert (endpoint.state, endpoint.token_auth_enabled, endpoint.tags, endpoint.description) == ("Healthy", True, {"c": "d"}, "changed")
    assert answers(endpoint.scoring_uri, endpoint.get_access_token().access_token, 2) == {"green": 2}
    endpoint.delete_version("blue")
    endpoint.wait_for_deployment()
    endpoint = AksEndpoint(ws, "rollout")
    assert set(endpoint.versions) == {"green"} and endpoint.run("{}") == "green"
    uri = endpoint.scoring_uri
    endpoint.delete()
    assert "rollout" not in ws.webservices and requests.post(uri, data="{}", timeout=60).status_code == 404
