"""What the report and the terminal call the kinds of sets and scalings."""

__all__ = ["SCALING_NAMES", "SET_NAMES"]

#: By method, and whether the coverage holds in each class.
SET_NAMES = {
    ("lac", False): "least ambiguous",
    ("aps", False): "adaptive",
    ("raps", False): "regularised adaptive",
    ("lac", True): "class by class",
}

#: By method.
SCALING_NAMES = {
    "none": "as it comes",
    "temperature": "temperature scaling",
    "vector": "vector scaling",
}
