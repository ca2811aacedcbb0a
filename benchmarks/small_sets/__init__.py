"""Ways of adapting one net to small sets of photos, judged on photos that none of them saw."""
