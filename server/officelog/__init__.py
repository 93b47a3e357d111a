"""The office's log in the database: what must not vanish, in a Merkle tree whose signed heads outsiders can keep."""
