"""WebRTC engine: WHIP and WHEP over one UDP port; forwards without decoding, records without transcoding."""

from .engine import MediaEngine
from .errors import FrameGone, MediaError, NoPicture, NotSupported, OfferRejected
from .model import MediaConfig, Part, PartSegment, Picture, SlotStats, VideoShape
from .phone_file import NotARecording, NotReadNow, PhoneFile, ReaderFailed, copy_seekable
from .places import Place, moment_of
from .repair import repair_part
from .session import Session
from .slot import Slot, SlotObserver

__all__ = [
    "FrameGone",
    "MediaConfig",
    "MediaEngine",
    "MediaError",
    "NoPicture",
    "NotARecording",
    "NotReadNow",
    "NotSupported",
    "OfferRejected",
    "Part",
    "PartSegment",
    "PhoneFile",
    "Picture",
    "Place",
    "ReaderFailed",
    "Session",
    "Slot",
    "SlotObserver",
    "SlotStats",
    "VideoShape",
    "copy_seekable",
    "moment_of",
    "repair_part",
]
