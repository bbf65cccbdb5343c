"""Metrics, intervals, paired comparison, and the results that they are made of."""
