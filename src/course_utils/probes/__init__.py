"""Questions asked of a module by running it."""
