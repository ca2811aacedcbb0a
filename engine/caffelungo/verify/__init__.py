"""`lungo verify`: two nets on the same inputs, and what of the first is still in the second."""
