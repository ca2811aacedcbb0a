"""What a frozen net's features and a set of pictures say before anything is trained."""
