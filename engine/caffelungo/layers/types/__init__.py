"""One file a layer type (or a family that shares its arithmetic); the registry imports every file in here."""
