"""A trained model as one ONNX file, proved to compute the same."""

from ferboost.export.parity import Parity
from ferboost.export.writing import Export, export_run

__all__ = ["Export", "Parity", "export_run"]
