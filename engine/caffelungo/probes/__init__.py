"""Linear classifiers on features of a frozen net: how well they tell the classes apart, on pictures held out."""
