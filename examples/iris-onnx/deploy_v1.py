"""Deploys model.onnx with azureml-core, in Azure ML's own environment for onnxruntime."""

import os
import sys

from azureml.core import Environment
from azureml.core.model import InferenceConfig, Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v1 import deploy, sign_in  # noqa: E402

ws = sign_in()
model = Model.register(ws, model_path="model.onnx", model_name="iris-onnx", model_framework=Model.Framework.ONNX)
environment = Environment.get(ws, "AzureML-onnxruntime-1.6-ubuntu18.04-py37-cpu-inference")
inference = InferenceConfig(entry_script="score.py", source_directory=".", environment=environment)
deploy(ws, "iris-onnx", model, inference, {"data": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]})
