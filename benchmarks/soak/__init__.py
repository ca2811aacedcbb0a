"""`make soak`: what a killed process leaves, what damaged input does, and values at the ends of their ranges."""
