"""Deploys model.pkl twice with azureml-core: with score.py, and without a script, by its framework."""

import os
import sys

import sklearn
from azureml.core import Environment
from azureml.core.model import InferenceConfig, Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v1 import deploy, sign_in  # noqa: E402

ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.020, -0.018]

ws = sign_in()
model = Model.register(ws, model_path="model.pkl", model_name="diabetes", model_framework=Model.Framework.SCIKITLEARN,
                       model_framework_version=sklearn.__version__)
environment = Environment.from_conda_specification("diabetes", "conda.yaml")
inference = InferenceConfig(entry_script="score.py", source_directory=".", environment=environment)
deploy(ws, "diabetes", model, inference, {"data": [ROW]})
deploy(ws, "diabetes-no-script", model, None, {"data": [ROW], "method": "predict"})
