"""The exported classifier that tests only run."""

from tests.deploy.conftest import classifier_file

__all__ = ["classifier_file"]
