"""Canonical bytes and the hash chain. Pure; imports nothing of ours."""
