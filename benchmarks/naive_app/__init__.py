"""Not imported as a package: the local host loads `function_app.py` as an app of its own."""
