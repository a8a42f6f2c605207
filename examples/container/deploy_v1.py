"""Deploys an image of one's own with azureml-core. It is served as it is: on port 5001, with a path /score."""

import os
import sys

from azureml.core import Environment
from azureml.core.model import InferenceConfig, Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v1 import deploy, sign_in  # noqa: E402

ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.020, -0.018]

ws = sign_in()
model = Model.register(ws, model_path="model.json", model_name="diabetes-container")
environment = Environment("diabetes-container")
environment.docker.base_image = os.environ.get("IMAGE", "examples/diabetes:1")
environment.python.user_managed_dependencies = True
# The SDK wants a script; an image with a server of its own does not read it.
inference = InferenceConfig(entry_script="server.py", source_directory=".", environment=environment)
deploy(ws, "diabetes-container", model, inference, {"data": [ROW]})
