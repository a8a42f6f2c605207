"""azureml-core, as a script of 2020 uses it. The login is the only line that knows of Berth."""

import os

import pytest
from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication


def _sign_in(secret=None, client=None):
    return ServicePrincipalAuthentication(
        tenant_id="adfs",  # with any other tenant MSAL asks login.microsoftonline.com about it first
        service_principal_id=client or os.environ["AZURE_CLIENT_ID"],
        service_principal_password=secret or os.environ["AZURE_CLIENT_SECRET"],
        cloud="Berth",
    )


@pytest.fixture(scope="session")
def sign_in():
    return _sign_in


@pytest.fixture(scope="session")
def auth():
    return _sign_in()


@pytest.fixture(scope="session")
def ws(auth, group, subscription):
    return Workspace(subscription, group, "myworkspace", auth=auth)
