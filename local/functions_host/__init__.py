"""A local host for Azure Functions apps in Python: HTTP and timer triggers and Durable Functions, on SQLite.

It replaces `func start` and Azurite on a developer's machine and in tests. It runs the real `function_app.py`
through the real SDKs and is held to recordings of the real host. It is for one machine and one process; it is
never deployed. Start it with `python -m local.functions_host`.
"""
