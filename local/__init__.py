"""Local development tools: the Functions host and the Foundry emulator. Never deployed."""
