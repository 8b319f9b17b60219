"""For maintainers: what makes, executes, measures and publishes the course."""
