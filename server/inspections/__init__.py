"""Checklist templates, scheduling, invitations, the state machine, the event log of an inspection, its result."""
