"""The options, by their names in the CLI v1."""

from azure.cli.core.commands.parameters import get_enum_type, get_location_type, get_three_state_flag, resource_group_name_type

from azext_ml_computetarget._place import find_workspace

PURPOSES = ["FastProd", "DevTest"]
BALANCERS = ["PublicIp", "InternalLoadBalancer"]


def _place(loader, command):
    """Where the resource is. The CLI v1 had these options on every command; az does not pass on what begins with an underscore."""
    with loader.argument_context(command) as c:
        c.argument("resource_group_name", resource_group_name_type, options_list=["--resource-group", "-g"], required=False)
        c.argument(
            "workspace_name", options_list=["--workspace-name", "-w"], required=False, validator=find_workspace,
            help="Name of the workspace. The default is set by `az configure --defaults workspace_name=<name>`.")
        c.extra("_subscription_id", options_list=["--subscription-id"], help="Id of the subscription; the same as --subscription.")
        c.extra("_path", options_list=["--path"], help="Folder with .azureml/config.json, which names the workspace. Default: the working folder.")
        c.extra("_verbosity", options_list=["-v"], action="store_true", help="Accepted for scripts of the CLI v1: the output has all fields without it.")


def load_arguments(loader, _):
    for command in loader.command_table:
        _place(loader, command)
    with loader.argument_context("ml computetarget") as c:
        c.argument("name", options_list=["--name", "-n"], help="Name of the compute target.")
    with loader.argument_context("ml workspace create") as c:
        c.argument("location", get_location_type(loader.cli_ctx), configured_default=None, validator=None, help="Region. Default: the resource group's.")
        c.argument("friendly_name", help="Name that people see.")
        c.argument("exist_ok", options_list=["--exist-ok"], action="store_true", help="Keep a workspace of this name that exists.")
    for verb in ("create", "attach", "update"):
        with loader.argument_context(f"ml computetarget {verb} aks") as c:
            c.argument("load_balancer_type", arg_type=get_enum_type(BALANCERS), help="Load balancer of the scoring endpoint. Default: PublicIp.")
            c.argument("load_balancer_subnet", help="Subnet of an internal load balancer. Default: aks-subnet.")
            c.argument("ssl_cname", help="Host name of the certificate.")
            c.argument("ssl_cert_file", help="File with the certificate chain (PEM).")
            c.argument("ssl_key_file", help="File with the private key (PEM).")
            c.argument("ssl_leaf_domain_label", help="Label for a certificate that is made for you.")
            c.argument("ssl_overwrite_domain", arg_type=get_three_state_flag(), help="Take over a domain label that is in use.")
    for verb in ("create", "attach"):
        with loader.argument_context(f"ml computetarget {verb} aks") as c:
            c.argument("cluster_purpose", arg_type=get_enum_type(PURPOSES), help="FastProd needs at least 12 vCPUs; DevTest is for development and testing.")
    with loader.argument_context("ml computetarget create aks") as c:
        c.argument("agent_count", options_list=["--agent-count", "-a"], type=int, help="Number of nodes. Default: 3; 1 for DevTest.")
        c.argument("vm_size", options_list=["--vm-size", "-s"], help="Size of the nodes. Default: Standard_D3_v2.")
        c.argument("location", get_location_type(loader.cli_ctx), configured_default=None, validator=None, help="Region of the cluster. Default: the workspace's.")
        c.argument("vnet_name", help="Virtual network to place the cluster in; needs all six network options.")
        c.argument("vnet_resourcegroup_name", help="Resource group of the virtual network.")
        c.argument("subnet_name", help="Subnet in the virtual network.")
        c.argument("service_cidr", help="Addresses for services, such as 10.0.0.0/16.")
        c.argument("dns_service_ip", help="Address of the cluster's DNS, inside --service-cidr.")
        c.argument("docker_bridge_cidr", help="Addresses for the container bridge, such as 172.17.0.1/16.")
    with loader.argument_context("ml computetarget attach aks") as c:
        c.argument("compute_resource_id", options_list=["--compute-resource-id", "-i"], help="Resource id of the cluster: `az aks show -n <name> -g <group> --query id`.")
    with loader.argument_context("ml computetarget attach kubernetes") as c:
        c.argument("compute_resource_id", options_list=["--compute-resource-id", "-i"], help="Resource id of the cluster.")
        c.argument("namespace", help="Namespace of the compute in the cluster. Default: default.")
    with loader.argument_context("ml computetarget update aks") as c:
        c.argument("ssl_disable", arg_type=get_three_state_flag(), help="Turn TLS off.")
        c.argument("ssl_renew", arg_type=get_three_state_flag(), help="Renew a certificate that was made for you.")
    with loader.argument_context("ml computetarget get-credentials") as c:
        c.argument("admin", options_list=["--admin", "-a"], arg_type=get_three_state_flag(), help="Credentials of the cluster's administrator.")
        c.argument("file", options_list=["--file", "-f"], help="Kubernetes configuration file to update; '-' prints it instead. Default: ~/.kube/config.")
        c.argument("overwrite_existing", arg_type=get_three_state_flag(), help="Overwrite an entry of the same name.")
