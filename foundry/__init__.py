"""The Foundry agent service over REST. Knows nothing of Durable Functions.

`service` says what the app needs of any generation of the service. `classic` is the first one (threads, messages and
runs), `second` the one after it (conversations, items and responses); the modules beside them are common to both.
"""
