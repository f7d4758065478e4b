"""What is wrong with a passport."""


class PassportError(ValueError):
    """A passport that lacks something without which its model could not be made again, or is not what was written."""
