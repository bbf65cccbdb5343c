"""Why a model says what it says of a face: maps, contributions of the trees, checks of both."""

from ferboost.explanation.checks import ExplanationCheck, check_explanations
from ferboost.explanation.explaining import Explanation, explain_faces

__all__ = ["Explanation", "ExplanationCheck", "check_explanations", "explain_faces"]
