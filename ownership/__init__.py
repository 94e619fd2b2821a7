"""Who owns what, over all hosts: a conversation has one instance at a time, a key one instance for good.

    line      the line of instances at a conversation: who is in front owns it (pure)
    threads   takes and leaves places in it, in the store
    keys      which instance an idempotency key has started
    instances what is asked of the platform: whether an instance still goes on

No lease, no clock: whoever has ended, or is gone, is passed over by the next one who asks.
"""
