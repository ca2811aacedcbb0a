"""`lungo demo`: the whole way once, on photos that ship."""
