"""From a file a user wrote to a message: template, text, tokens, message, upgrade."""
