"""Makes an image without Docker: the layers of another image's archive, and one more with server.py.

    berth image build --file python.tar
    python image.py python.tar examples/diabetes:1 image.tar
    berth image import image.tar
"""

import hashlib
import io
import json
import sys
import tarfile


def file(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))


def layer():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive, open("server.py", "rb") as f:
        file(archive, "srv/server.py", f.read())
    return out.getvalue()


base, name, to = sys.argv[1:]
with tarfile.open(base) as old, tarfile.open(to, "w") as new:
    manifest = json.load(old.extractfile("manifest.json"))[0]
    config = json.load(old.extractfile(manifest["Config"]))
    for path in manifest["Layers"]:
        file(new, path, old.extractfile(path).read())
    own = layer()
    digest = hashlib.sha256(own).hexdigest()
    file(new, digest + ".tar", own)
    config["rootfs"]["diff_ids"].append("sha256:" + digest)
    config["config"] = {**config.get("config", {}), "Entrypoint": None, "Cmd": ["python3", "/srv/server.py"]}
    config.pop("history", None)
    text = json.dumps(config).encode()
    config_name = hashlib.sha256(text).hexdigest() + ".json"
    file(new, config_name, text)
    made = [{"Config": config_name, "RepoTags": [name], "Layers": manifest["Layers"] + [digest + ".tar"]}]
    file(new, "manifest.json", json.dumps(made).encode())
