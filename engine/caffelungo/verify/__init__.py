"""`lungo verify`: two nets on the same inputs, and what of the first is still in the second.

What training changed in a file of weights is compared in ``weights``; an exported file is proven in ``deploy``.
"""
