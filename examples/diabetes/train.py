"""Fits a Ridge regression to scikit-learn's diabetes data, and writes model.pkl."""

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

x, y = load_diabetes(return_X_y=True)
joblib.dump(Ridge(alpha=0.5).fit(x, y), "model.pkl")
