"""The Azure CLI, run as a user runs it: one process a command, in the environment that `berth env` sets and no other."""

import json
import os
import subprocess
from pathlib import Path

AZ = str(Path(os.environ["COMPAT_CLIENT"]) / "bin" / "az")


class Refused(Exception):
    """The output of az when it ended with an error."""


def run_az(*args, env=None, parse=True):
    """env changes the environment; a variable that is None is removed."""
    variables = {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}
    done = subprocess.run([AZ, *args], capture_output=True, text=True, check=False, env=variables)
    if done.returncode != 0:
        raise Refused(done.stderr)
    if not parse:
        return done.stdout
    return json.loads(done.stdout) if done.stdout.strip() else None


def run_line(line):
    """A line as the document prints it."""
    path = os.path.dirname(AZ) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stderr
    return done.stdout
