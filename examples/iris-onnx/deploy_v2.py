"""Deploys model.onnx and score.py with azure-ai-ml."""

import os
import sys

from azure.ai.ml.entities import CodeConfiguration, Environment, Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v2 import deploy, sign_in  # noqa: E402

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"  # Berth has an image of its own instead

conda = {"name": "onnx", "dependencies": ["python=3.11", {"pip": ["azureml-inference-server-http", "onnxruntime", "numpy"]}]}
deploy(sign_in(), "iris-onnx", {"data": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]}, model=Model(name="iris-onnx", path="model.onnx"),
       environment=Environment(name="iris-onnx", image=IMAGE, conda_file=conda),
       code_configuration=CodeConfiguration(code=".", scoring_script="score.py"))
