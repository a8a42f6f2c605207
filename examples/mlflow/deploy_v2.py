"""Deploys the folder model with azure-ai-ml: without a script and without an environment, because MLflow has saved both."""

import os
import sys

from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from berth_v2 import deploy, sign_in  # noqa: E402

COLUMNS = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]
ROW = [0.038, 0.051, 0.062, 0.022, -0.044, -0.035, -0.043, -0.003, 0.020, -0.018]

deploy(sign_in(), "diabetes-mlflow", {"input_data": {"columns": COLUMNS, "index": [0], "data": [ROW]}},
       model=Model(name="diabetes-mlflow", path="model", type=AssetTypes.MLFLOW_MODEL))
