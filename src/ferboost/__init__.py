"""Facial emotion recognition with gradient boosted CNNs."""
