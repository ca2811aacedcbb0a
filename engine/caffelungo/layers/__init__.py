"""What each layer type is: arity, shapes, parameters, fillers, formula. Torch is imported only when a layer computes."""
