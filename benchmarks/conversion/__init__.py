"""`make conversions`: every model, every net that ships and every real file through `lungo convert`; as a table."""
