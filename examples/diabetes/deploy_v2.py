"""Deploys model.pkl and score.py with azure-ai-ml."""

import os
import sys

from azure.ai.ml.entities import CodeConfiguration, Environment, Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v2 import deploy, sign_in  # noqa: E402

ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.020, -0.018]
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"  # Berth has an image of its own instead

deploy(sign_in(), "diabetes", {"data": [ROW]}, model=Model(name="diabetes", path="model.pkl"),
       environment=Environment(name="diabetes", image=IMAGE, conda_file="conda.yaml"),
       code_configuration=CodeConfiguration(code=".", scoring_script="score.py"))
