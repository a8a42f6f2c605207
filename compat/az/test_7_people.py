"""People: az ad user, az login by a browser and by a device code, and what a role permits them."""

import html
import http.cookiejar
import json
import os
import re
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request

import pytest
from cli import AZ, Refused, run_az

operation = pytest.mark.operation
PASSWORD = "correct horse battery staple"


def browse(address, user):
    """A browser without scripts: it opens the page where people sign in, signs in, and goes on to the program that waits."""
    trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"]))
    browser = urllib.request.build_opener(trusted, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    page = browser.open(address).read().decode()
    form = html.unescape(re.search(r'<form method="post" action="([^"]*)"', page).group(1))
    done = browser.open(urllib.parse.urljoin(address, form), urllib.parse.urlencode({"user": user, "password": PASSWORD}).encode()).read().decode()
    answer = re.search(r'<form method="post" action="([^"]*)" id="answer">', done)
    if answer:  # the program asked for the answer as a form
        fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', done)
        body = urllib.parse.urlencode({html.unescape(n): html.unescape(v) for n, v in fields}).encode()
        urllib.request.urlopen(html.unescape(answer.group(1)), body).read()


@pytest.fixture(scope="module")
def ann(az):
    made = az("ad", "user", "create", "--display-name", "Ann", "--user-principal-name", "ann", "--password", PASSWORD)
    az("role", "assignment", "create", "--assignee-object-id", made["id"], "--role", "Reader", "--scope", "/subscriptions/" + os.environ["AZURE_SUBSCRIPTION_ID"])
    yield made
    az("ad", "user", "delete", "--id", made["id"])


def mine(folder, **more):
    """The environment of a person: a configuration folder of its own."""
    return {"AZURE_CONFIG_DIR": str(folder), **more}


def device_login(folder, user):
    line = [AZ, "login", "--use-device-code"]
    az = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **mine(folder)})
    said = ""
    for text in az.stderr:
        said += text
        found = re.search(r"open the page (\S+) and enter the code (\S+) to", said)
        if found:
            browse(found.group(1) + "?user_code=" + found.group(2), user)
            break
    out, err = az.communicate(timeout=300)
    assert az.returncode == 0, said + err
    return json.loads(out)


@operation("az ad user create, list, show; az ad group list; az role assignment create for a user, list")
def test_directory(az, ann):
    assert [u["id"] for u in az("ad", "user", "list", "--upn", "ann")] == [ann["id"]]
    assert az("ad", "user", "show", "--id", "ann")["displayName"] == "Ann"
    assert az("ad", "group", "list") == []
    az("configure", "--defaults", "group=", "workspace_name=", parse=False)  # az lists at the default group only
    [found] = az("role", "assignment", "list", "--assignee", ann["id"])
    assert (found["principalName"], found["principalType"]) == ("ann", "User")


@operation("az login --use-device-code: a person with a role; az group list, az ad signed-in-user show")
def test_device_code(ann, tmp_path):
    [account] = device_login(tmp_path, "ann")
    assert account["user"] == {"name": "ann", "type": "user"}
    assert run_az("group", "list", env=mine(tmp_path)) is not None
    assert run_az("ad", "signed-in-user", "show", env=mine(tmp_path))["id"] == ann["id"]
    with pytest.raises(Refused, match="AuthorizationFailed.*'ann'"):
        run_az("group", "create", "-n", "byann", "-l", "westeurope", env=mine(tmp_path))


@operation("az login: in a browser, with the answer at a loopback address")
def test_browser(ann, tmp_path):
    script = tmp_path / "browser"
    script.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {os.path.dirname(__file__)!r})\nfrom test_7_people import browse\nbrowse(sys.argv[1], 'ann')\n")
    script.chmod(0o755)
    # with &, because az answers the browser only after the command that opens it has ended
    [account] = run_az("login", env=mine(tmp_path, BROWSER=f"{script} %s &"))
    assert account["user"]["name"] == "ann"
    assert run_az("group", "list", env=mine(tmp_path)) is not None


@operation("az ad user update --account-enabled false: out at once")
def test_disabled(az, ann, tmp_path):
    device_login(tmp_path, "ann")
    az("ad", "user", "update", "--id", "ann", "--account-enabled", "false")
    with pytest.raises(Refused, match="is disabled"):
        run_az("group", "list", env=mine(tmp_path))
    az("ad", "user", "update", "--id", "ann", "--account-enabled", "true")
