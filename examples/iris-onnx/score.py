import json
import os

import numpy
import onnxruntime


def init():
    global session
    session = onnxruntime.InferenceSession(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.onnx"), providers=["CPUExecutionProvider"])


def run(request):
    rows = numpy.array(json.loads(request)["data"], dtype=numpy.float32)
    labels, probabilities = session.run(None, {session.get_inputs()[0].name: rows})
    return {"label": labels.tolist(), "probabilities": probabilities.round(4).tolist()}
