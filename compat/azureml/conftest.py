"""azureml-core, as a script of 2020 uses it. The login is the only line that knows of Berth."""

import datetime
import os

import pytest
from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


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


@pytest.fixture(scope="session")
def pem(tmp_path_factory):
    """A certificate for scoring.example.com and its key, as files."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "scoring.example.com")])
    now = datetime.datetime.now(datetime.timezone.utc)
    cert = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("scoring.example.com")]), critical=False).sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(folder / "cert.pem"), str(folder / "key.pem")
