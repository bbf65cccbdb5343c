"""Exported models at work: onnxruntime, numpy and Pillow, nothing that trains."""

from ferboost.inference.model_file import ModelInfo
from ferboost.inference.predictions import Prediction, Predictions
from ferboost.inference.predictor import Predictor

__all__ = ["ModelInfo", "Prediction", "Predictions", "Predictor"]
