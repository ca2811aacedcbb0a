"""What a person reads and looks at: log lines, progress, tables, pictures."""
