"""Bicep templates of the deployment, the script that packages the app, and the checks of both."""
