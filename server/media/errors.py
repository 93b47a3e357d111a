"""What the media engine says when it cannot do what was asked."""


class MediaError(Exception):
    """Root of the engine's errors."""


class OfferRejected(MediaError):
    """The SDP offer cannot be answered; the message says what is wrong with it."""


class FrameGone(MediaError):
    """The asked frame is not (or no longer, or not wholly) in the slot's ring."""


class NoPicture(MediaError):
    """The slot holds nothing that can be decoded yet."""


class NotSupported(MediaError):
    """The request is understood, but this engine does not do it."""
