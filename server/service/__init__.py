"""The service: requests become jobs, jobs get slots, events are logged. No HTTP, no torch."""
