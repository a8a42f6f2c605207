import os

import pytest
from cli import run_az


@pytest.fixture(scope="session")
def login():
    """az login, in the environment that berth env prints."""
    e = os.environ
    return run_az("login", "--service-principal", "-u", e["AZURE_CLIENT_ID"], "-p", e["AZURE_CLIENT_SECRET"], "--tenant", e["AZURE_TENANT_ID"])


@pytest.fixture(scope="session")
def az(login):
    return run_az
