"""One way to compute and to keep what a layer says of pictures: for probes, comparisons and inspection alike."""
