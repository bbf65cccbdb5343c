"""Emotions over HTTP: ``ferboost serve``."""

from ferboost.serving.application import create_app
from ferboost.serving.limits import Limits
from ferboost.serving.server import read_token, serve

__all__ = ["Limits", "create_app", "read_token", "serve"]
