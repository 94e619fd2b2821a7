"""The second generation: agents by name, conversations, items and responses. To the app a conversation is a thread, and
a response is a run.

    service      the requests (`ResponsesAgentService`)
    agents       what an agent says, and how a request names one
    messages     a message of the user as an item
    items        what the items of a conversation say
    calls        what waits for an answer, and how it is answered or closed
    responses    what a response says
    hygiene      closes the calls that nobody has answered
    finding      finds the response that a lost request has started
    answering    answers calls by another response
    starts       starts a response
    background   which agents run only while somebody waits for them
    steps        what a response did
    conversation the requests for the items and responses of a conversation
    paths        of conversations, items, responses and agents

Wire shapes and names of that service stay inside this package (foundry-responses.md).
"""

from foundry.second.service import ResponsesAgentService

__all__ = ["ResponsesAgentService"]
