"""Tests of what is for one developer's machine, beside the host and the emulator, which have folders of their own."""
