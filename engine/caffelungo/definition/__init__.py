"""From a file a user wrote to a message: template, text, tokens, message, upgrade; and edits, back to the text.

What a layer type is belongs to ``layers``, whether a net fits together to ``plan``. No torch.
"""
