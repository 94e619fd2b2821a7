"""What may go wrong, does: faults of Foundry, crashes of the host, a hostile host, and all of it at random.

held          what the service holds, of either generation in the same words
checks        what the emulator's ledger and the instances owe in the end, pure
caller        a caller who repeats what got no answer
matrix        every request of a run times every fault
lost_posts    every POST of the second generation lost, whatever the service does where no source says it
crash_points  kills the host exactly before it writes a step down, and test_crashes at these and other named points
behaviours    what a caller does with runs, for the hostile host
chaos         hundreds of runs at once: `python -m tests.faults.chaos --help`
"""
