"""How long an Opus packet plays (RFC 6716 section 3.1). Pure."""


def duration_of(packet: bytes) -> int:
    """Samples at 48 kHz; 20 ms for a packet that makes no sense."""
    if not packet:
        return 960
    configuration, code = packet[0] >> 3, packet[0] & 3
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:
        frame = (480, 960)[configuration & 1]
    else:
        frame = (120, 240, 480, 960)[configuration & 3]
    count = (packet[1] & 63 if len(packet) > 1 else 1) if code == 3 else 1 if code == 0 else 2
    total = frame * count
    return total if 0 < total <= 5760 else 960
