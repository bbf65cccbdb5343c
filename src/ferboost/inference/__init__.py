"""Exported models at work: onnxruntime, numpy and Pillow, nothing that trains."""

from ferboost.inference.model_file import ModelInfo
from ferboost.inference.predictions import Prediction, Predictions
from ferboost.inference.predictor import BUNDLED_MODEL, Predictor

__all__ = ["BUNDLED_MODEL", "ModelInfo", "Prediction", "Predictions", "Predictor"]
