"""Deploys the folder model with azureml-core, in the environment that MLflow has written beside it."""

import os
import sys

from azureml.core import Environment
from azureml.core.model import InferenceConfig, Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v1 import deploy, sign_in  # noqa: E402

COLUMNS = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.020, -0.018]

ws = sign_in()
model = Model.register(ws, model_path="model", model_name="diabetes-mlflow")
environment = Environment.from_conda_specification("diabetes-mlflow", os.path.join("model", "conda.yaml"))
environment.python.conda_dependencies.add_pip_package("azureml-defaults")
inference = InferenceConfig(entry_script="score.py", source_directory=".", environment=environment)
deploy(ws, "diabetes-mlflow", model, inference, {"input_data": {"columns": COLUMNS, "data": [ROW]}})
