"""What each layer type is: arity, shapes, parameters, fillers, formula. Torch is imported when a layer computes."""
