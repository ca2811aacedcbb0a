"""`lungo inspect --labels`: pictures whose label is probably wrong, on a page and as a table that can be given back.

- `options`: what may be asked. `find`: the findings, by cross-validated classifiers. `trust`: how far they go.
- `page`, `writing`: the page, the corrections and the numbers.
"""
