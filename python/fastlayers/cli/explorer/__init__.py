"""What `explore` shows: an application of textual, which only this package imports."""
