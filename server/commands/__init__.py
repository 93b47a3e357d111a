"""Commands of `yunkan` that are more than starting something: each module adds itself to the parser."""
