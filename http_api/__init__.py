"""HTTP triggers, one module per resource, and the pure parsers and documents beside them."""
