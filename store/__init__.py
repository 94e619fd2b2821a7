"""Small documents with compare-and-set, shared by all hosts of the app: who owns a conversation, what a key started.

    documents   what a store is, and what can go wrong with it
    blobs       the store on Azure blobs, or on what speaks their protocol
    connection  which storage account that is: that of the host

A blob that is written with `If-Match` or `If-None-Match` is a compare-and-set over all hosts, for one transaction.
Contents hold no prompt, answer, key or token; names are hashed.
"""
