"""The verbs of the command line as functions: one file and one function a verb, with the options of the verb.

An option is called as its flag, underscores for dashes (``set=`` is ``--set``). What the verb prints is returned
instead, so that options that choose only what is printed (``--json``, ``--explain`` ...) are not taken.
"""
