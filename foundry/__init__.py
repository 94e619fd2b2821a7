"""The Foundry agent service over REST. Knows nothing of Durable Functions.

`service` says what the app needs of any generation of the service, `classic` is today's (threads, messages, runs).
"""
