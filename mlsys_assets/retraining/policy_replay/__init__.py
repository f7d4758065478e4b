"""The past lived once more under other policies: what each would have decided, trained and predicted."""
