"""What is wrong with what callers send: everything at once, by field. Pure."""
