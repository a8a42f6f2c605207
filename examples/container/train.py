"""Fits a Ridge regression, and writes its coefficients as model.json."""

import json

from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

x, y = load_diabetes(return_X_y=True)
model = Ridge(alpha=0.5).fit(x, y)
with open("model.json", "w", encoding="utf-8") as f:
    json.dump({"intercept": model.intercept_, "coefficients": model.coef_.tolist()}, f)
