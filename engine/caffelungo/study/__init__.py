"""Many runs, compared: the demo."""
