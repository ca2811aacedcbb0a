"""The public Python interface: what ``import caffelungo as cl`` offers, and nothing else.

Every verb of the command line is one function in ``verbs``; ``net`` holds ``Net``, the ``nn.Module`` that ``open``
returns. Files here convert Python values to the options of the rooms and their answers to results; the work itself
stays in the rooms. ``caffelungo/__init__.py`` loads these names on first use.
"""
