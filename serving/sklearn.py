# Serves a model of scikit-learn: the entry script of a deployment without one. A request is {"data": [[...]], "method": "predict"};
# without a method it is predict_proba where the model has it. The answer has the name of the method: {"predict": [...]}.
import json
import os

import joblib
import numpy
from azureml_inference_server_http.api.aml_response import AMLResponse

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


def init():
    global model
    model = joblib.load(os.environ["BERTH_MODEL"])


def run(body):
    try:
        method, data = read(body)
    except ValueError as e:
        return AMLResponse({"message": str(e)}, 400, json_str=True)
    return {method: numpy.asarray(getattr(model, method)(data)).tolist()}


def read(body):
    """The method and the data of a request."""
    request = json.loads(body)
    if not isinstance(request, dict) or not isinstance(request.get("data"), list):
        raise ValueError('The request has no "data". Send {"data": [[...]], "method": "predict"}.')
    method = request.get("method") or ("predict_proba" if hasattr(model, "predict_proba") else "predict")
    if method not in METHODS or not hasattr(model, method):
        raise ValueError("The model has no method '%s'. It has: %s." % (method, ", ".join(m for m in METHODS if hasattr(model, m))))
    data = numpy.array(request["data"])
    wanted = getattr(model, "n_features_in_", None)
    if wanted is not None and (data.ndim != 2 or data.shape[1] != wanted):
        raise ValueError('"data" is a list of rows with %d values each; it has the shape %s.' % (wanted, list(data.shape)))
    return method, data
