"""Searching settings: what is searched, by whom, and what has been found."""

from ferboost.tuning.dimensions import Choices, Range
from ferboost.tuning.space import SearchSpace, parse_space, read_space

__all__ = ["Choices", "Range", "SearchSpace", "parse_space", "read_space"]
