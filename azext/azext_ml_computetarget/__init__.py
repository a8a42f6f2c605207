"""`az ml computetarget`: the words of the CLI v1 for inference clusters, on today's az.

It is a thin client over Azure Resource Manager, with az's own cloud and credentials, and lives beside the `ml` extension.
"""

from azure.cli.core import AzCommandsLoader
from azure.cli.core.commands import CliCommandType
from azure.cli.core.extension import extension_exists

from azext_ml_computetarget import _help  # noqa: F401  az reads the texts when the module is there


class ComputeTargetCommandsLoader(AzCommandsLoader):
    def __init__(self, cli_ctx=None):
        super().__init__(cli_ctx=cli_ctx, custom_command_type=CliCommandType(operations_tmpl="azext_ml_computetarget.custom#{}"))

    def load_command_table(self, args):
        for verb in ("create", "attach", "update"):
            with self.command_group("ml computetarget " + verb) as group:
                group.custom_command("aks", verb + "_aks", supports_no_wait=True)
        with self.command_group("ml computetarget attach") as group:
            group.custom_command("kubernetes", "attach_kubernetes", supports_no_wait=True)
        with self.command_group("ml computetarget") as group:
            group.custom_show_command("show", "show")
            group.custom_command("list", "list_targets")
            group.custom_command("detach", "detach", supports_no_wait=True)
            group.custom_command("delete", "delete", supports_no_wait=True)
            group.custom_command("get-credentials", "get_credentials")
        if not extension_exists("ml"):  # today's extension has `az ml workspace` too, with other words
            with self.command_group("ml workspace") as group:
                group.custom_command("create", "create_workspace")
                group.custom_show_command("show", "show_workspace")
                group.custom_command("list", "list_workspaces")
                group.custom_command("delete", "delete_workspace", confirmation=True)
        return self.command_table

    def load_arguments(self, command):
        from azext_ml_computetarget._params import load_arguments

        load_arguments(self, command)


COMMAND_LOADER_CLS = ComputeTargetCommandsLoader
