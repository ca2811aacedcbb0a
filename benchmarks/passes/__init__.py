"""`make passes`: every pass over every net, each result parsed, built, trained and exported; as a table."""
