"""Enterprises, licences, cases, materials, and the evidence attached to a case."""
