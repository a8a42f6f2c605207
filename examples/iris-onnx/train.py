"""Fits a logistic regression to the iris data, and writes it as model.onnx."""

from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

x, y = load_iris(return_X_y=True)
x = x.astype("float32")
model = LogisticRegression(max_iter=500, random_state=0).fit(x, y)
with open("model.onnx", "wb") as f:
    f.write(to_onnx(model, x[:1], options={"zipmap": False}, target_opset=15).SerializeToString())
