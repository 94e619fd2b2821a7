"""Tests, see README."""
