"""Benchmarks: what durability costs, beside the SDK's own loop. `python -m benchmarks --help`; see README.md."""
