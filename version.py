"""The version of the app, as `GET /api/health` tells it."""

VERSION = "0.1.0"
