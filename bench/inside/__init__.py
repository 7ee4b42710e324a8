"""Questions about what is in images: how long the answers take, and whether they are right."""
