"""`lungo demo`: the whole way once, on the silhouettes of animals that ship."""
