"""Timer triggers: cancel the runs of instances that ended without stopping them, and purge old history."""
