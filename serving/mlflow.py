# Serves a model that MLflow has saved: the entry script of a deployment without one. A request is {"input_data": ..., "params": {...}}:
# a table as {"columns": [...], "index": [...], "data": [...]}, a list for a model of one tensor, or an object of named tensors.
import json
import os

import mlflow.pyfunc
import numpy
import pandas
from azureml_inference_server_http.api.aml_response import AMLResponse


class BadRequest(Exception):
    pass


def init():
    global model, schema
    model = mlflow.pyfunc.load_model(os.environ["BERTH_MODEL"])
    schema = model.metadata.get_input_schema()


def run(body):
    try:
        data, params = read(body)
    except (BadRequest, ValueError, TypeError) as e:
        return refusal(e)
    try:
        return plain(model.predict(data, params=params) if params else model.predict(data))
    except mlflow.exceptions.MlflowException as e:  # the data is not what the signature of the model says
        if e.get_http_status_code() == 400:
            return refusal(e)
        raise


def refusal(e):
    return AMLResponse({"message": str(e)}, 400, json_str=True)


def read(body):
    """The data and the parameters of a request."""
    request = json.loads(body)
    if not isinstance(request, dict) or "input_data" not in request:
        raise BadRequest('The request has no "input_data". Send {"input_data": {"columns": [...], "index": [...], "data": [[...]]}}, '
                         'or {"input_data": [...]} for a tensor.')
    params = request.get("params")
    if params is not None and not isinstance(params, dict):
        raise BadRequest('"params" is not an object.')
    return table_or_tensors(request["input_data"]), params


def table_or_tensors(data):
    tensors = schema is not None and schema.is_tensor_spec()
    if isinstance(data, dict) and "data" in data and set(data) <= {"columns", "index", "data"}:
        return pandas.DataFrame(**data)
    if isinstance(data, dict) and tensors:
        types = {spec.name: spec.type for spec in schema.inputs}
        return {name: numpy.array(value, dtype=types.get(name)) for name, value in data.items()}
    if isinstance(data, dict):
        return pandas.DataFrame({name: value if isinstance(value, list) else [value] for name, value in data.items()})
    if not isinstance(data, list):
        raise BadRequest('"input_data" is neither an object nor a list.')
    if tensors:
        return numpy.array(data, dtype=schema.inputs[0].type)
    if data and isinstance(data[0], dict):
        return pandas.DataFrame(data)
    if schema is not None and data and isinstance(data[0], list) and len(schema.input_names()) == len(data[0]):
        return pandas.DataFrame(data, columns=schema.input_names())
    return pandas.DataFrame(data) if schema is not None else numpy.array(data)


def plain(answer):
    """The answer as JSON has it."""
    if isinstance(answer, pandas.DataFrame):
        return json.loads(answer.to_json(orient="records", date_format="iso"))
    if isinstance(answer, pandas.Series):
        return json.loads(answer.to_json(orient="values", date_format="iso"))
    if isinstance(answer, dict):
        return {str(name): plain(value) for name, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [plain(value) for value in answer]
    return answer.tolist() if isinstance(answer, (numpy.ndarray, numpy.generic)) else answer
