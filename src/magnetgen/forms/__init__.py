"""The form handler's island: standard library only, so that it ships alone."""
