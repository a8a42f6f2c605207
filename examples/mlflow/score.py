"""SDK v1 has no deployment of MLflow models without a script; SDK v2 has (deploy_v2.py)."""

import json
import os

import mlflow.pyfunc
import pandas


def init():
    global model
    model = mlflow.pyfunc.load_model(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model"))


def run(request):
    return model.predict(pandas.DataFrame(**json.loads(request)["input_data"])).tolist()
