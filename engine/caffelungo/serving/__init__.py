"""An exported classifier behind HTTP: pictures in, classes out, and a page that shows what the net looked at."""
