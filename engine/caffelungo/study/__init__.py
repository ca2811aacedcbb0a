"""Many runs, compared: the demo; cells, what runs them, and their statistics."""
