"""azure-ai-ml, as its notebooks use it. The sign-in is the only line that knows of Berth."""

import os

import pytest
from azure.ai.ml import MLClient
from azure.identity import ClientSecretCredential


def _credential(secret=None):
    e = os.environ
    return ClientSecretCredential(e["AZURE_TENANT_ID"], e["AZURE_CLIENT_ID"], secret or e["AZURE_CLIENT_SECRET"], authority=e["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True)


@pytest.fixture(scope="session")
def credential():
    return _credential


@pytest.fixture(scope="session")
def ml(group, subscription):
    return MLClient(_credential(), subscription, group, "myworkspace", cloud="Berth")
