"""An honest emulator of the Azure AI Foundry agent service: classic agents and, beside them, the second generation.

It speaks the wire protocol, refuses what the service refuses in the service's words, and runs scripted agents
on a clock of its own. Faults can be injected, and a ledger tells what really happened. It talks to no model
and knows no network but loopback.

    with FoundryEmulator(clock_speed=50) as emulator:
        emulator.endpoint                                    # for FOUNDRY_PROJECT_ENDPOINT
        emulator.faults.add("reset", operation="create_run", effect="first")
        emulator.ledger().user_messages

From a shell: `python -m local.foundry_emulator`, see README.md. Other processes use the control API: see `control`.

    scripts, agents   agents as data          runs       the life of a run, a pure function of the time
    service, bodies   operations and checks   state      what the service remembers
    objects, records  what is stored, and how journal    the file in which it is kept
    wire, errors      JSON of the answers     faults     rules that spoil requests
    uploads           forms with files        sayings    what is said instead of an answer
    routing, paging   shared by generations   second     agents by name, conversations, responses
    server            HTTP and the faults     emulation  all of it but HTTP, as tests see it
    control           the same over HTTP      emulator   all of it in a thread of its own
"""

from local.foundry_emulator.agents import Agents
from local.foundry_emulator.clock import ManualClock
from local.foundry_emulator.emulator import EmulatorBug, FoundryEmulator
from local.foundry_emulator.journal import JournalError
from local.foundry_emulator.scripts import Agent, AgentsFileError

__all__ = ["Agent", "Agents", "AgentsFileError", "EmulatorBug", "FoundryEmulator", "JournalError", "ManualClock"]
