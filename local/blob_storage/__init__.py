"""The blob storage that the app's documents need, on a loopback port: one account, a subset of Azure's protocol.

    signature  checks the shared key of a request
    blobs      keeps blobs, each with its version, in one SQLite file
    endpoint   speaks HTTP

It serves what `store.blobs` asks for (containers, and blobs by name with conditions, listed by prefix) and answers
anything else with 400. Azurite and Azure are held to the same tests (tests/store).
"""
