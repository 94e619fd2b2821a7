"""Tests, see docs/engineering.md."""
