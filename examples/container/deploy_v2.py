"""Deploys an image of one's own with azure-ai-ml: inference_config says at which ports and paths it answers."""

import os
import sys

from azure.ai.ml.entities import Environment, Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v2 import deploy, sign_in  # noqa: E402

ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.020, -0.018]

routes = {name + "_route": {"port": 5001, "path": path} for name, path in [("liveness", "/"), ("readiness", "/"), ("scoring", "/score")]}
deploy(sign_in(), "diabetes-container", {"data": [ROW]}, model=Model(name="diabetes-container", path="model.json"),
       environment=Environment(name="diabetes-container", image=os.environ.get("IMAGE", "examples/diabetes:1"), inference_config=routes))
