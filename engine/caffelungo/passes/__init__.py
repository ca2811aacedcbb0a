"""Rewrites of a net: each reads a view and returns edits and moves of weights, or refuses with its reason. No torch."""
