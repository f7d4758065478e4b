"""The past lived once more under other policies: the same steps, on stores in memory, with work shared."""
