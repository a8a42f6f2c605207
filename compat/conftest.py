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
    """The berth command, for the resources that a test needs. Returns its output, as JSON. What it fetches does not come through the server."""
    env = {name: value for name, value in os.environ.items() if name.lower() != "https_proxy"}
    done = subprocess.run(["berth", *args, "-o", "json"], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture(scope="session")
def berth():
    return run_berth


@pytest.fixture(scope="module")
def proxy():
    """The server's own proxy, by which the SDK finds the host name of files without a hosts file."""
    out = subprocess.run(["berth", "env", "--proxy", "--shell", "json"], capture_output=True, text=True, check=True).stdout
    settings = {name: value for name, value in json.loads(out).items() if name.lower() == "https_proxy"}
    assert settings
    os.environ.update(settings)
    yield
    for name in settings:
        del os.environ[name]


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
    """A managed cluster: 3 nodes of 4 vCPUs."""
    return berth("aks", "create", "-n", "myexistingcluster", "-g", group, "--node-count", "3", "--node-vm-size", "Standard_D3_v2")["id"]


@pytest.fixture(scope="session")
def certificate(berth, subscription, tmp_path_factory):
    """A caller that signs in with a certificate: its client id, and the file with certificate and key."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("certificate"))
    try:
        made = berth("ad", "sp", "create-for-rbac", "-n", "by-certificate", "--create-cert", "--role", "Contributor", "--scopes", "/subscriptions/" + subscription)
    finally:
        os.chdir(before)
    return made["appId"], made["fileWithCertAndPrivateKey"]


@pytest.fixture(scope="session")
def ending(berth, subscription):
    """A caller whose secret is about to expire: its client id and secret."""
    import datetime

    made = berth("ad", "sp", "create-for-rbac", "-n", "ending", "--role", "Reader", "--scopes", "/subscriptions/" + subscription)
    e = os.environ
    graph = e["BERTH_TEST_ENDPOINT"] + "/graph"
    token = ask_token(e["BERTH_TEST_ENDPOINT"], e["AZURE_TENANT_ID"], e["AZURE_CLIENT_ID"], e["AZURE_CLIENT_SECRET"], audience=graph)
    principal = berth("ad", "sp", "show", "--id", made["appId"])["id"]
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    body = {"passwordCredential": {"displayName": "short", "endDateTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")}}
    url = f"{graph}/v1.0/servicePrincipals/{principal}/addPassword"
    return made["appId"], ask(url, json.dumps(body).encode(), {"Authorization": "Bearer " + token, "Content-Type": "application/json"})["secretText"]


@pytest.fixture(scope="session")
def network(berth, subscription):
    """The network of the document's listings: mynetwork with the subnet default, in mygroup."""
    e = os.environ
    berth("group", "create", "-n", "mygroup", "-l", "westus")
    token = ask_token(e["BERTH_TEST_ENDPOINT"], e["AZURE_TENANT_ID"], e["AZURE_CLIENT_ID"], e["AZURE_CLIENT_SECRET"])
    body = {"location": "westus", "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "subnets": [{"name": "default", "properties": {"addressPrefix": "10.1.0.0/24"}}]}}
    url = f"{e['BERTH_TEST_ENDPOINT']}/subscriptions/{subscription}/resourceGroups/mygroup/providers/Microsoft.Network/virtualNetworks/mynetwork?api-version=2024-01-01"
    return ask(url, json.dumps(body).encode(), {"Authorization": "Bearer " + token, "Content-Type": "application/json"}, method="PUT")["id"]


@pytest.fixture(scope="session")
def foreign_token(tmp_path_factory):
    """A token of another Berth, as a client still holds it after its data folder was replaced."""
    folder = tmp_path_factory.mktemp("elsewhere")
    line = ["berth", "serve", "--data-dir", str(folder), "--listen", "127.0.0.1:0", "--debug-listen", "off", "--log-format", "json"]
    server = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        for log in server.stderr:
            if json.loads(log)["msg"] == "berth is ready":
                break
        with open(folder / "credentials.json", encoding="utf-8") as f:
            c = json.load(f)
        yield ask_token(c["endpoint"], c["tenantId"], c["clientId"], c["clientSecret"], c["caFile"])
    finally:
        server.terminate()
        server.communicate()


def ask_token(endpoint, tenant, client, secret, authority=None, audience=None):
    import urllib.parse

    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": (audience or endpoint) + "/.default"}
    return ask(f"{endpoint}/{tenant}/oauth2/v2.0/token", urllib.parse.urlencode(form).encode(), {}, authority)["access_token"]


def ask(url, body, headers, authority=None, method="POST"):
    import ssl
    import urllib.request

    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=authority)) as answer:
        return json.load(answer)


def until(words, attempt, tries=40):
    """Repeats until it is refused with these words, and returns the refusal; that takes at most one more second."""
    for _ in range(tries):
        try:
            attempt()
        except Exception as e:  # pylint: disable=broad-except
            assert words in str(e), str(e)
            return str(e)
    raise AssertionError(f"never refused with {words}")


@pytest.fixture(scope="session")
def refused_in_the_end():
    return until


@pytest.fixture(scope="session")
def kubectl():
    """The real kubectl, with the kubeconfig that a client wrote and nothing else. Returns its output."""
    return run_kubectl


def run_kubectl(kubeconfig, *args):
    done = subprocess.run(["kubectl", "--kubeconfig", str(kubeconfig), *args, "-o", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
