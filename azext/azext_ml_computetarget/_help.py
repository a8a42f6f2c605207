"""What --help says."""

from knack.help_files import helps

helps["ml computetarget"] = """
type: group
short-summary: Create, attach, show, update, detach and delete inference clusters.
"""
helps["ml computetarget create"] = """
type: group
short-summary: Create a compute target.
"""
helps["ml computetarget create aks"] = """
type: command
short-summary: Create a Kubernetes cluster and attach it to the workspace.
examples:
  - name: Create a production cluster of three nodes.
    text: az ml computetarget create aks -n myaks -g myresourcegroup -w myworkspace
  - name: Create a small one for development and testing.
    text: az ml computetarget create aks -n myaks --cluster-purpose DevTest -a 1
"""
helps["ml computetarget attach"] = """
type: group
short-summary: Attach an existing cluster as a compute target.
"""
helps["ml computetarget attach aks"] = """
type: command
short-summary: Attach an existing Kubernetes cluster to the workspace.
examples:
  - name: Attach a cluster by its resource id.
    text: az ml computetarget attach aks -n myaks -i aksresourceid -g myresourcegroup -w myworkspace
"""
helps["ml computetarget attach kubernetes"] = """
type: command
short-summary: Attach a connected cluster to the workspace as a Kubernetes compute.
"""
helps["ml computetarget update"] = """
type: group
short-summary: Change a compute target.
"""
helps["ml computetarget update aks"] = """
type: command
short-summary: Change the TLS settings or the load balancer.
"""
helps["ml computetarget show"] = """
type: command
short-summary: Show a compute target.
"""
helps["ml computetarget list"] = """
type: command
short-summary: List the compute targets of a workspace.
"""
helps["ml computetarget detach"] = """
type: command
short-summary: Detach a cluster from the workspace. The cluster itself keeps running.
"""
helps["ml computetarget delete"] = """
type: command
short-summary: Delete a compute target together with the cluster that was created for it.
"""
helps["ml computetarget get-credentials"] = """
type: command
short-summary: Put the cluster's credentials into the Kubernetes configuration file.
"""
helps["ml workspace"] = """
type: group
short-summary: Create, show, list and delete workspaces.
"""
helps["ml workspace create"] = """
type: command
short-summary: Create a workspace.
"""
helps["ml workspace show"] = """
type: command
short-summary: Show a workspace.
"""
helps["ml workspace list"] = """
type: command
short-summary: List the workspaces of a resource group, or of the subscription.
"""
helps["ml workspace delete"] = """
type: command
short-summary: Delete a workspace.
"""
