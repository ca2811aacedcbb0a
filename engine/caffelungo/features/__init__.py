"""Computes and caches what layers compute for pictures: for probes, comparisons and inspection alike."""
