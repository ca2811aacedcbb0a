"""Running an exported file: sessions, pictures in, answers out, what the file says of itself, what the machine can do.

Making a file belongs to ``deploy``; answering over HTTP to ``serving``.
"""
