"""Finds the workspace that a command is about, in the order of the CLI v1: option, default, file in the folder."""

import json
import os

from azure.cli.core.azclierror import FileOperationError, RequiredArgumentMissingError

# The names of one default: the CLI v1 read the first, its documentation and scripts also use the others.
DEFAULTS = ("workspace_name", "aml_workspace", "workspace")


def find_workspace(cmd, namespace):
    """A validator of az: it runs before the command and completes the options."""
    if namespace._subscription_id:
        cmd.cli_ctx.data["subscription_id"] = namespace._subscription_id
    if not hasattr(namespace, "workspace_name"):  # the list of workspaces needs none
        return
    config = cmd.cli_ctx.config
    for name in DEFAULTS:
        namespace.workspace_name = namespace.workspace_name or config.get("defaults", name, fallback=None)
    named = namespace.workspace_name
    if not named or not namespace.resource_group_name:
        _from_folder(namespace)
    missing = [option for option, value in (("--resource-group/-g", namespace.resource_group_name), ("--workspace-name/-w", namespace.workspace_name)) if not value]
    if missing:
        raise RequiredArgumentMissingError(
            f"The following arguments are required: {', '.join(missing)}",
            "Add them, or store defaults: az configure --defaults group=<name> workspace_name=<name>")


def _from_folder(namespace):
    folder = namespace._path or "."
    for file in (os.path.join(folder, ".azureml", "config.json"), os.path.join(folder, "config.json")):
        found = _read(file)
        if not found:
            continue
        group, workspace = found
        if namespace.workspace_name not in (None, workspace):
            continue  # the file is about another workspace
        namespace.workspace_name = workspace
        namespace.resource_group_name = namespace.resource_group_name or group
        return


def _read(file):
    """Group and workspace of a config.json: the SDK writes names, `az ml folder attach` wrote an id (Scope)."""
    if not os.path.isfile(file):
        return None
    try:
        with open(file, encoding="utf-8") as f:
            config = json.load(f)
    except (OSError, ValueError) as e:
        raise FileOperationError(f"The file {file} cannot be read: {e}") from e
    if not isinstance(config, dict):
        return None
    if "resource_group" in config and "workspace_name" in config:
        return config["resource_group"], config["workspace_name"]
    words = str(config.get("Scope") or "").strip("/").split("/")
    if len(words) == 8:
        return words[3], words[7]
    return None
