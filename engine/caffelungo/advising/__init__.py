"""`lungo advise`: from pictures and nets to a recommendation, its numbers, and a folder that trains."""
