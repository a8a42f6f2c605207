"""Fits a Ridge regression, and saves it with MLflow in the folder model: with its packages and the types of its columns."""

import shutil

import mlflow.sklearn
import sklearn
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

x, y = load_diabetes(return_X_y=True, as_frame=True)
model = Ridge(alpha=0.5).fit(x, y)
shutil.rmtree("model", ignore_errors=True)
packages = ["mlflow-skinny==" + mlflow.__version__, "scikit-learn==" + sklearn.__version__, "pandas", "cloudpickle"]
mlflow.sklearn.save_model(model, "model", signature=mlflow.models.infer_signature(x, y), pip_requirements=packages,
                          serialization_format="cloudpickle")
