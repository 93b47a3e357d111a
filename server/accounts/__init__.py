"""Offices, staff, roles, sign-in, sessions, API tokens."""
