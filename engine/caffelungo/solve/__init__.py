"""Training, testing and timing of nets: the solver file's meaning."""
