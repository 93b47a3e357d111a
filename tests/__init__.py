"""All tests; a package, so that they can share the peers."""
