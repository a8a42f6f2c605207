"""The commands. Each is a request to Azure Resource Manager and, without --no-wait, the wait for its operation."""

import json
import os
import tempfile
import time

from azure.cli.core.azclierror import (
    AzureResponseError,
    FileOperationError,
    HTTPError,
    MutuallyExclusiveArgumentError,
    RequiredArgumentMissingError,
    ResourceNotFoundError,
)
from azure.cli.core.commands.client_factory import get_subscription_id
from azure.cli.core.util import send_raw_request
from knack.log import get_logger

API_VERSION = "2024-04-01"
logger = get_logger(__name__)


def _workspace(cmd, group, workspace):
    return f"/subscriptions/{get_subscription_id(cmd.cli_ctx)}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"


def _send(cmd, method, path, body=None, query=""):
    """One request, with az's own credentials for az's own cloud."""
    url = path if path.startswith("https://") else f"{path}?api-version={API_VERSION}{query}"
    try:
        return send_raw_request(cmd.cli_ctx, method, url, body=json.dumps(body) if body is not None else None)
    except HTTPError as e:
        refused = ResourceNotFoundError if e.response.status_code == 404 else AzureResponseError
        raise refused(_refusal(e)) from e


def _refusal(e):
    """The text of a refusal: every violation on a line of its own."""
    try:
        error = e.response.json()["error"]
        lines = [f"({error['code']}) {error['message']}"]
    except (ValueError, KeyError, TypeError):
        return str(e)  # not ARM's shape: a proxy's page, say
    details = error.get("details") or []
    if len(details) > 1:
        lines += [f"  {d.get('target', '')}: {d.get('message', '')}" for d in details]
    return "\n".join(lines)


def _wait(cmd, answer, doing):
    """Follows an operation to its end, at the pace that the server asks for."""
    url = answer.headers.get("Azure-AsyncOperation")
    if not url:
        return
    progress = cmd.cli_ctx.get_progress_controller()
    progress.begin(message=doing)
    try:
        while True:
            poll = _send(cmd, "GET", url)
            operation = poll.json()
            if operation["status"] in ("Succeeded", "Failed", "Canceled"):
                break
            progress.add(message=operation.get("properties", {}).get("message") or doing)
            time.sleep(int(poll.headers.get("Retry-After", 1)))
    finally:
        progress.end()
    if operation["status"] != "Succeeded":
        error = operation.get("error") or {}
        raise AzureResponseError(f"({error.get('code', operation['status'])}) {error.get('message', 'The operation did not succeed.')}")


def _shown(resource):
    """A resource as the CLI v1 and today's az show it at once: nested, and with the fields that scripts query at the top."""
    shown, outer = dict(resource), resource.get("properties") or {}
    inner = outer.get("properties") or {}
    for fields in (outer, inner):
        for key, value in fields.items():
            if key != "properties":
                shown.setdefault(key, value)
    shown.setdefault("provisioningErrors", None)
    shown["resourceGroup"] = resource["id"].split("/")[4]
    return shown


def _put(cmd, where, body, doing, no_wait):
    name = where.rsplit("/", 1)[1]
    answer = _send(cmd, "PUT", where, body)
    if no_wait:
        logger.warning("To see if your compute target is ready to use, run:\n  az ml computetarget show -n %s", name)
        return _shown(answer.json())
    _wait(cmd, answer, doing)
    return _shown(_send(cmd, "GET", where).json())


def _read(path, what):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except OSError as e:
        raise FileOperationError(f"The {what} cannot be read: {e}") from e


def _ssl(cname, cert_file, key_file, label, overwrite, disable=False):
    """sslConfiguration; None when no option asks for it."""
    own = [cname, cert_file, key_file]
    if disable:
        if any(own) or label:
            raise MutuallyExclusiveArgumentError("--ssl-disable goes with no other --ssl option.")
        return {"status": "Disabled"}
    if any(own) and label:
        raise MutuallyExclusiveArgumentError("Give either a certificate (--ssl-cname, --ssl-cert-file, --ssl-key-file) or --ssl-leaf-domain-label, not both.")
    if any(own) and not all(own):
        raise RequiredArgumentMissingError("A certificate of your own takes all three of --ssl-cname, --ssl-cert-file and --ssl-key-file.")
    if label:
        return {"status": "Auto", "leafDomainLabel": label, "overwriteExistingDomain": bool(overwrite)}
    if all(own):
        return {"status": "Enabled", "cname": cname, "cert": _read(cert_file, "certificate"), "key": _read(key_file, "private key")}
    return None


def _set(**values):
    return {k: v for k, v in values.items() if v is not None}


def _network(cmd, vnet, group, subnet, service_cidr, dns_ip, bridge_cidr):
    values = [vnet, group, subnet, service_cidr, dns_ip, bridge_cidr]
    if not any(values):
        return None
    if not all(values):
        raise RequiredArgumentMissingError(
            "A virtual network takes all six of --vnet-name, --vnet-resourcegroup-name, --subnet-name, --service-cidr, --dns-service-ip and --docker-bridge-cidr.")
    subnet_id = f"/subscriptions/{get_subscription_id(cmd.cli_ctx)}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{vnet}/subnets/{subnet}"
    return {"subnetId": subnet_id, "serviceCidr": service_cidr, "dnsServiceIP": dns_ip, "dockerBridgeCidr": bridge_cidr}


def create_aks(
    cmd, name, resource_group_name, workspace_name, agent_count=None, vm_size=None, cluster_purpose=None, location=None, load_balancer_type=None, load_balancer_subnet=None,
    ssl_cname=None, ssl_cert_file=None, ssl_key_file=None, ssl_leaf_domain_label=None, ssl_overwrite_domain=None, vnet_name=None, vnet_resourcegroup_name=None,
    subnet_name=None, service_cidr=None, dns_service_ip=None, docker_bridge_cidr=None, no_wait=False):
    inner = _set(
        agentCount=agent_count, agentVmSize=vm_size, clusterPurpose=cluster_purpose, loadBalancerType=load_balancer_type, loadBalancerSubnet=load_balancer_subnet,
        sslConfiguration=_ssl(ssl_cname, ssl_cert_file, ssl_key_file, ssl_leaf_domain_label, ssl_overwrite_domain),
        aksNetworkingConfiguration=_network(cmd, vnet_name, vnet_resourcegroup_name, subnet_name, service_cidr, dns_service_ip, docker_bridge_cidr))
    properties = {"computeType": "AKS", **_set(computeLocation=location)}
    if inner:
        properties["properties"] = inner
    logger.warning("Provisioning compute resources...")
    return _put(cmd, f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}", {"properties": properties}, "Creating", no_wait)


def attach_aks(
    cmd, name, compute_resource_id, resource_group_name, workspace_name, cluster_purpose=None, load_balancer_type=None, load_balancer_subnet=None, ssl_cname=None,
    ssl_cert_file=None, ssl_key_file=None, ssl_leaf_domain_label=None, ssl_overwrite_domain=None, no_wait=False):
    inner = _set(
        clusterPurpose=cluster_purpose, loadBalancerType=load_balancer_type, loadBalancerSubnet=load_balancer_subnet,
        sslConfiguration=_ssl(ssl_cname, ssl_cert_file, ssl_key_file, ssl_leaf_domain_label, ssl_overwrite_domain))
    # `az aks show --query id` prints the id in quotation marks, and they are often pasted along
    properties = {"computeType": "AKS", "resourceId": compute_resource_id.strip("\"' "), "properties": inner}
    logger.warning("Attaching compute resource...")
    made = _put(cmd, f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}", {"properties": properties}, "Attaching", no_wait)
    logger.warning("Resource attach submitted successfully." if no_wait else "Resource attached successfully.")
    return made


def attach_kubernetes(cmd, name, compute_resource_id, resource_group_name, workspace_name, namespace=None, no_wait=False):
    properties = {"computeType": "Kubernetes", "resourceId": compute_resource_id.strip("\"' "), "properties": _set(namespace=namespace)}
    logger.warning("Attaching compute resource...")
    return _put(cmd, f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}", {"properties": properties}, "Attaching", no_wait)


def update_aks(
    cmd, name, resource_group_name, workspace_name, load_balancer_type=None, load_balancer_subnet=None, ssl_cname=None, ssl_cert_file=None, ssl_key_file=None,
    ssl_leaf_domain_label=None, ssl_overwrite_domain=None, ssl_disable=None, ssl_renew=None, no_wait=False):
    inner = _set(
        loadBalancerType=load_balancer_type, loadBalancerSubnet=load_balancer_subnet,
        sslConfiguration=_ssl(ssl_cname, ssl_cert_file, ssl_key_file, ssl_leaf_domain_label, ssl_overwrite_domain, ssl_disable))
    if not inner and not ssl_renew:
        raise RequiredArgumentMissingError("Nothing to change: give --load-balancer-… or --ssl-… options.")
    where = f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}"
    now = _send(cmd, "GET", where).json()  # a PUT of a name that does not exist would create one
    if ssl_renew:
        ssl = now["properties"]["properties"].get("sslConfiguration") or {}
        if not ssl.get("leafDomainLabel"):
            raise RequiredArgumentMissingError(f"--ssl-renew is for a certificate that was made for you, and {name} has none (no leaf domain label).")
        inner["sslConfiguration"] = {**ssl, "renew": True}
    return _put(cmd, where, {"properties": {"computeType": "AKS", "properties": inner}}, "Updating", no_wait)


def show(cmd, name, resource_group_name, workspace_name):
    return _shown(_send(cmd, "GET", f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}").json())


def _all(cmd, url):
    found = []
    while url:
        page = _send(cmd, "GET", url).json()
        found += [_shown(resource) for resource in page["value"]]
        url = page.get("nextLink")
    return found


def list_targets(cmd, resource_group_name, workspace_name):
    return _all(cmd, f"{_workspace(cmd, resource_group_name, workspace_name)}/computes")


def _remove(cmd, where, action, doing, no_wait):
    answer = _send(cmd, "DELETE", where, query=f"&underlyingResourceAction={action}")
    if not no_wait:
        _wait(cmd, answer, doing)


def detach(cmd, name, resource_group_name, workspace_name, no_wait=False):
    _remove(cmd, f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}", "Detach", "Detaching", no_wait)


def delete(cmd, name, resource_group_name, workspace_name, no_wait=False):
    _remove(cmd, f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}", "Delete", "Deleting", no_wait)


def get_credentials(cmd, name, resource_group_name, workspace_name, admin=False, file=None, overwrite_existing=False):
    keys = _send(cmd, "POST", f"{_workspace(cmd, resource_group_name, workspace_name)}/computes/{name}/listKeys").json()
    config = keys["adminKubeConfig" if admin else "userKubeConfig"]
    if file == "-":
        print(config)
        return
    _merge(file or os.path.join(os.path.expanduser("~"), ".kube", "config"), config, overwrite_existing)


def _merge(path, config, overwrite):
    """Merges as `az aks get-credentials` does, by its own function. Both files hold a key: no other user may read them."""
    from azure.cli.command_modules.acs.custom import merge_kubernetes_configurations

    os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    file, addition = tempfile.mkstemp()  # mode 0600
    try:
        with os.fdopen(file, "w", encoding="utf-8") as f:
            f.write(config)
        merge_kubernetes_configurations(path, addition, overwrite)
    finally:
        os.remove(addition)


def create_workspace(cmd, resource_group_name, workspace_name, location=None, friendly_name=None, exist_ok=False):
    where = _workspace(cmd, resource_group_name, workspace_name)
    if exist_ok:
        try:
            return _shown(_send(cmd, "GET", where).json())
        except ResourceNotFoundError:
            pass
    if not location:
        group = f"/subscriptions/{get_subscription_id(cmd.cli_ctx)}/resourcegroups/{resource_group_name}"
        location = _send(cmd, "GET", group).json()["location"]
    _wait(cmd, _send(cmd, "PUT", where, {"location": location, "properties": _set(friendlyName=friendly_name)}), "Creating")
    return _shown(_send(cmd, "GET", where).json())


def show_workspace(cmd, resource_group_name, workspace_name):
    return _shown(_send(cmd, "GET", _workspace(cmd, resource_group_name, workspace_name)).json())


def list_workspaces(cmd, resource_group_name=None):
    scope = f"/subscriptions/{get_subscription_id(cmd.cli_ctx)}"
    if resource_group_name:
        scope += f"/resourceGroups/{resource_group_name}"
    return _all(cmd, scope + "/providers/Microsoft.MachineLearningServices/workspaces")


def delete_workspace(cmd, resource_group_name, workspace_name):
    _wait(cmd, _send(cmd, "DELETE", _workspace(cmd, resource_group_name, workspace_name)), "Deleting")
