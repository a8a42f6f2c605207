"""Models, environments, code, data and the datastore of a workspace. Files have a host name of their own: see proxy."""

import os
from pathlib import Path

import pytest
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import AzureBlobDatastore, BuildContext, Data, Environment, Model
from azure.ai.ml.entities._assets import Code
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

operation = pytest.mark.operation
pytestmark = pytest.mark.usefixtures("proxy")

CONDA = {"name": "sk", "channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", {"pip": ["scikit-learn==1.5.2", "azureml-inference-server-http"]}]}
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that is a folder, and a model that is a file."""
    root = tmp_path_factory.mktemp("model")
    (root / "model" / "deep").mkdir(parents=True)
    (root / "model" / "weights.bin").write_bytes(os.urandom(5 << 20))
    (root / "model" / "deep" / "labels.txt").write_text("a\nb\n")
    (root / "one.pkl").write_bytes(b"pickled")
    return root


@operation("datastores.get_default, get, list; without and with secrets")
def test_datastores(ml):
    default = ml.datastores.get_default()
    assert default.name == "workspaceblobstore" and default.account_name == "berth" and default.container_name.startswith("azureml-")
    assert [d.name for d in ml.datastores.list()] == ["workspaceblobstore"]
    assert "sig=" in ml.datastores.get("workspaceblobstore", include_secrets=True).credentials.sas_token


@operation("datastores.create_or_update: refused, because a workspace has one datastore")
def test_other_datastore(ml):
    with pytest.raises(HttpResponseError, match="one datastore"):
        ml.datastores.create_or_update(AzureBlobDatastore(name="mine", account_name="a", container_name="c"))


@operation("models.create_or_update(Model(path=folder)): uploads and registers, with a version of its own")
def test_model(ml, folder):
    made = ml.models.create_or_update(Model(name="folder", path=str(folder / "model"), version="5", description="weights", tags={"a": "b"}, properties={"c": "d"}))
    assert (made.name, made.version, made.type) == ("folder", "5", "custom_model")
    assert made.path.startswith("azureml://subscriptions/") and made.path.endswith("/model")
    got = ml.models.get("folder", version="5")
    assert (got.description, got.tags, got.properties, got.path) == ("weights", {"a": "b"}, {"c": "d"}, made.path)


@operation("models.create_or_update without a version: the next one; the same file is not uploaded again")
def test_next(ml, folder):
    versions = [ml.models.create_or_update(Model(name="file", path=str(folder / "one.pkl"))).version for _ in range(2)]
    assert versions == ["1", "2"]
    assert ml.models.get("file", label="latest").version == "2"
    assert ml.models.create_or_update(Model(name="folder", path=str(folder / "one.pkl"))).version == "6"


@operation("models.list: of a name, the newest first, and of all names")
def test_models(ml):
    assert [m.version for m in ml.models.list(name="folder")] == ["6", "5"]
    assert {m.name: m.latest_version for m in ml.models.list()} == {"file": "2", "folder": "6"}


@operation("models.download")
def test_download(ml, folder, tmp_path):
    ml.models.download("folder", "5", download_path=str(tmp_path))
    assert (tmp_path / "folder" / "model" / "weights.bin").read_bytes() == (folder / "model" / "weights.bin").read_bytes()
    assert (tmp_path / "folder" / "model" / "deep" / "labels.txt").read_text() == "a\nb\n"


@operation("models.create_or_update with new tags: changes them; with other files: reports that the version exists")
def test_update(ml, folder):
    got = ml.models.get("folder", version="5")
    got.tags["e"] = "f"
    assert ml.models.create_or_update(got).tags == {"a": "b", "e": "f"}
    with pytest.raises(HttpResponseError, match="version does not change: modelUri"):
        ml.models.create_or_update(Model(name="folder", version="5", path=str(folder / "one.pkl")))


@operation("models.archive and restore, of a version and of a model")
def test_archive(ml):
    ml.models.archive("folder", version="5")
    assert [m.version for m in ml.models.list(name="folder")] == ["6"]
    assert [m.version for m in ml.models.list(name="folder", list_view_type=ListViewType.ARCHIVED_ONLY)] == ["5"]
    ml.models.restore("folder", version="5")
    ml.models.archive("file")
    assert [m.name for m in ml.models.list()] == ["folder"]
    ml.models.restore("file")
    assert [m.version for m in ml.models.list(name="folder", list_view_type=ListViewType.ALL)] == ["6", "5"]


@operation("models.get of a model or a version that does not exist; a model of a job (runs:/): refused")
def test_no_model(ml):
    with pytest.raises(ResourceNotFoundError, match="nothing"):
        ml.models.get("nothing", version="1")
    with pytest.raises(HttpResponseError, match="no jobs"):
        ml.models.create_or_update(Model(name="ofjob", version="1", path="runs:/abc/model"))


@operation("models.create_or_update(Model(path=\"azureml://datastores/…\")): registers files that are there")
def test_by_address(ml):
    path = ml.models.get("folder", version="5").path.split("/paths/")[1]
    made = ml.models.create_or_update(Model(name="byaddress", version="1", path=f"azureml://datastores/workspaceblobstore/paths/{path}"))
    assert made.path.endswith("/paths/" + path)
    with pytest.raises(HttpResponseError, match="upload it first"):
        ml.models.create_or_update(Model(name="byaddress", version="2", path="azureml://datastores/workspaceblobstore/paths/LocalUpload/none"))


@operation("environments.create_or_update(image, conda_file); again as it is: the same version; changed: the next one")
def test_environment(ml):
    made = ml.environments.create_or_update(Environment(name="sk", image=IMAGE, conda_file=CONDA, description="scikit-learn", tags={"a": "b"}))
    assert (made.version, made.image, made.conda_file) == ("1", IMAGE, CONDA)
    assert ml.environments.create_or_update(Environment(name="sk", image=IMAGE, conda_file=CONDA)).version == "1"
    other = dict(CONDA, dependencies=["python=3.11", {"pip": ["numpy"]}])
    assert ml.environments.create_or_update(Environment(name="sk", image=IMAGE, conda_file=other)).version == "2"
    assert ml.environments.get("sk", label="latest").conda_file == other
    with pytest.raises(ResourceExistsError, match="condaFile"):
        ml.environments.create_or_update(Environment(name="sk", version="1", image=IMAGE, conda_file=other))


@operation("environments.create_or_update(image, inference_config), list, get, archive")
def test_container(ml):
    route = {"port": 5001, "path": "/"}
    config = {"liveness_route": route, "readiness_route": route, "scoring_route": {"port": 5001, "path": "/score"}}
    ml.environments.create_or_update(Environment(name="own", version="7", image="registry.example.com/own:1", inference_config=config))
    assert ml.environments.get("own", version="7").inference_config.scoring_route.path == "/score"
    assert {e.name: e.latest_version for e in ml.environments.list()} == {"own": "7", "sk": "2"}
    ml.environments.archive("own")
    assert [e.name for e in ml.environments.list()] == ["sk"]


@operation("environments.create_or_update(build=BuildContext), get; refused without its Dockerfile")
def test_build(ml, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    made = ml.environments.create_or_update(Environment(name="built", version="1", build=BuildContext(path=str(tmp_path))))
    assert made.build.dockerfile_path == "Dockerfile" and ml.environments.get("built", version="1").build.path == made.build.path
    with pytest.raises(HttpResponseError, match="other/Dockerfile"):
        ml.environments.create_or_update(Environment(name="none", build=BuildContext(path=str(tmp_path), dockerfile_path="other/Dockerfile")))
    ml.environments.archive("built")


@operation("code: uploaded once, found again by its hash")
def test_code(ml, tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    (source / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    first = ml._code.create_or_update(Code(path=str(source)))
    again = ml._code.create_or_update(Code(path=str(source)))
    assert first.id == again.id and first.path.endswith("/src")
    (source / "score.py").write_text("def init(): pass\ndef run(data): return 1\n")
    assert ml._code.create_or_update(Code(path=str(source))).id != first.id


@operation("data.create_or_update of a local file, a folder and an address; get, list, archive")
def test_data(ml, folder):
    made = ml.data.create_or_update(Data(name="labels", path=str(folder / "model" / "deep"), type="uri_folder", description="x"))
    assert made.version == "1" and made.path.startswith("azureml://")
    assert ml.data.create_or_update(Data(name="labels", path=str(folder / "model" / "deep" / "labels.txt"), type="uri_file")).version == "2"
    web = ml.data.create_or_update(Data(name="web", version="1", path="https://example.com/x.csv", type="uri_file"))
    assert web.path == "https://example.com/x.csv"
    assert {d.name: d.latest_version for d in ml.data.list()} == {"labels": "2", "web": "1"}
    assert ml.data.get("labels", label="latest").version == "2"
    ml.data.archive("labels", version="1")
    assert [d.version for d in ml.data.list(name="labels")] == ["2"]


@operation("a model that version 1 of the SDK registered: get, list, archive, download")
def test_of_v1(ml, berth, folder, tmp_path):
    berth("ml", "model", "register", "-n", "old", "-p", str(folder / "model"), "-g", "myresourcegroup", "-w", "myworkspace", "--tag", "a=b", "-d", "of v1")
    got = ml.models.get("old", version="1")
    assert (got.description, got.tags) == ("of v1", {"a": "b"})
    ml.models.download("old", "1", download_path=str(tmp_path))
    assert (tmp_path / "old" / "model" / "deep" / "labels.txt").exists()
    ml.models.archive("old", version="1")
    assert [m.version for m in ml.models.list(name="old")] == []
    ml.models.restore("old", version="1")
    assert ml.models.create_or_update(Model(name="old", path=str(folder / "one.pkl"))).version == "2"


@operation("a model of version 2 for version 1 of the SDK (berth ml model show, list, download)")
def test_for_v1(ml, berth, folder, tmp_path):
    where = ["-g", "myresourcegroup", "-w", "myworkspace"]
    shown = berth("ml", "model", "show", "-i", "folder:5", *where)
    assert (shown["version"], shown["description"], shown["kvTags"]) == (5, "weights", {"a": "b", "e": "f"})
    assert {m["id"] for m in berth("ml", "model", "list", *where)} >= {"old:1", "old:2", "folder:5", "folder:6"}
    berth("ml", "model", "download", "-i", "folder:5", "--target-dir", str(tmp_path), *where)
    assert [p.read_text() for p in Path(tmp_path).rglob("labels.txt")] == ["a\nb\n"]
    assert berth("ml", "environment", "show", "-n", "sk", *where)["python"]["condaDependencies"]["dependencies"][0] == "python=3.11"
