"""Search, replay and export of ended inspections."""
