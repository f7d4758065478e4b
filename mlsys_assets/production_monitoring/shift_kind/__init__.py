"""Which kind of shift: whether features, the share of positives, or what labels follow from has changed."""
