"""The published study as data, and how all of it is repeated within a budget."""

from ferboost.reproduction.experiments import EXPERIMENTS, Experiment
from ferboost.reproduction.folder import Reproduction
from ferboost.reproduction.repeating import PARTS, repeat_study, start_reproduction

__all__ = [
    "EXPERIMENTS",
    "PARTS",
    "Experiment",
    "Reproduction",
    "repeat_study",
    "start_reproduction",
]
