"""`yunkan bench media`: the media engine beside its peers, under the same load, on the machine it is run on.

It ships with the service, because whoever sizes a machine for an office needs the figures of that machine. It knows the
service only by its protocol (docs/PROTOCOL.md); of `server.media` it borrows the wire formats and the DTLS handshake.
"""
