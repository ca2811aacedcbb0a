"""`lungo verify`: runs two nets on the same inputs and reports what of the first is unchanged in the second.

What training changed in a file of weights is compared in ``weights``; an exported file is proven in ``deploy``.
"""
