"""Weights averaged: blobs of the same shapes, and what only one file has."""

from __future__ import annotations

import numpy as np

from caffelungo.weights.average import average
from caffelungo.weights.weights import Weights


def test_blobs_of_the_same_shapes_are_averaged_and_others_are_the_second_files() -> None:
    first = Weights({"a": [np.array([1, 2], np.float32)], "b": [np.zeros((2, 1), np.float32)], "old": []}, name="one")
    second = Weights(
        {
            "a": [np.array([3, 6], np.float32)],
            "b": [np.ones(2, np.float32)],
            "new": [np.array([5], np.float32), np.array([7], np.float32)],
        },
        name="two",
    )
    made = average(first, second)
    assert {name: [blob.tolist() for blob in blobs] for name, blobs in made.layers.items()} == {
        "a": [[2, 4]], "b": [[1, 1]], "new": [[5], [7]],
    }  # fmt: skip
    assert made.name == "two"
    assert made.layers["a"][0].dtype == np.float32
    assert second.layers["a"][0].tolist() == [3, 6]
