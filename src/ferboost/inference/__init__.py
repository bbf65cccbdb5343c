"""Exported models at work: onnxruntime, numpy and Pillow, nothing that trains."""

from ferboost.inference.centerface import CenterFace
from ferboost.inference.faces import Detector, Face
from ferboost.inference.model_file import ModelInfo
from ferboost.inference.predictions import Prediction, Predictions
from ferboost.inference.predictor import BUNDLED_MODEL, Predictor

__all__ = [
    "BUNDLED_MODEL",
    "CenterFace",
    "Detector",
    "Face",
    "ModelInfo",
    "Prediction",
    "Predictions",
    "Predictor",
]
