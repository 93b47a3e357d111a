"""`yunkan bench`: the media engine beside its peers under the same load, events, evidence, archive; on this machine.

It ships with the service, because whoever sizes a machine for an office needs the figures of that machine. The media
engine's load knows the service only by its protocol (docs/PROTOCOL.md); of `server.media` it borrows the wire formats
and the DTLS handshake. The other benchmarks call the service's own verbs.
"""
