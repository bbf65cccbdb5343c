"""The CNN and the boosted CNN as scikit-learn classifiers.

They fit into ``cross_val_score``, ``GridSearchCV`` and pipelines. Images are array-like of shape
(n, 48, 48), or (n, 2304) as in a table, and hold whole gray values from 0 to 255.
"""

from ferboost.estimators.boosted import BoostedCNNClassifier
from ferboost.estimators.cnn import CNNClassifier

__all__ = ["BoostedCNNClassifier", "CNNClassifier"]
