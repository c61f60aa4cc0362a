"""Stores: what outlives the process, jobs in a database and their sound in files. No HTTP."""
