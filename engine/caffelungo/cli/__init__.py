"""The command line: one file per verb, which declares options, calls one function of another package and prints."""
