"""The version of the package: the one place that says it, which needs nothing else to be imported."""

__version__ = "0.1.0"
