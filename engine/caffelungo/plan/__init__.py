"""A net in one state, as all later rooms see it: its layers in order with shapes, parameters, cost and every mistake.

What one layer type is belongs to ``layers``; what changes a net belongs to ``passes``. No torch.
"""
