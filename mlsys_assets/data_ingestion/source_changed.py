"""The failure of a delivery as a whole, as against that of single rows."""


class SourceChanged(ValueError):
    """A source no longer looks as declared; nothing of the tick was written."""
