"""The second generation of the agent service: agents by name, conversations, responses.

What it does on the wire, and how that is known: docs/foundry-responses.md. It follows the same scripts as the
classic generation, beside it, and shares its clock, journal, faults and ledger.

    unknowns    what no source says, as switches       agents      built-in agents of its other kinds
    objects     what is stored                         life        one response, a pure function of the time
    talk        what a conversation holds at a time    items       items as they are stored and shown
    calls       open calls, and what answers them      bodies      request bodies
    wire        JSON of the answers                    errors      its refusals
    service     the operations                         summary     what tests count
"""
