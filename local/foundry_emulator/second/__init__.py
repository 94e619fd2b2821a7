"""The second generation of the agent service: agents by name, conversations, responses.

What it does on the wire, and how that is known: docs/foundry-responses.md. It follows the same scripts as the
classic generation, beside it, and shares its clock, journal, faults and ledger.

    unknowns          what no source says, as switches     agents    built-in agents of its other kinds
    objects           what is stored                       ids       how ids are made
    life              one response, by the time            talk      what a conversation holds at a time
    calls             open calls, and their answers        turns     what a new response finds, and what it is
    items             items as stored and as shown         bodies    request bodies
    wire              JSON of the answers                  errors    its refusals
    service           routes, and who answers them         summary   what tests count
    *_operations      what each route does
"""
