"""Running an exported file: sessions, pictures in, results out, its metadata, and what the machine supports.

Making a file belongs to ``deploy``; answering over HTTP to ``serving``.
"""
