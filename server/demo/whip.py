"""WHIP (RFC 9725) and WHEP clients over stock aiortc."""

import asyncio
from collections.abc import Iterable, Sequence

from aiohttp import ClientError, ClientSession
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
)
from yarl import URL

from server.demo.errors import Refused
from server.demo.joining import Joined, join, refusal
from server.demo.loopback import is_loopback, loopback_candidates

__all__ = ["Joined", "Refused", "WhepViewer", "WhipPublisher", "join"]

CONNECT_TIMEOUT_S = 15.0
PROFILE = "42e01f"  # constrained baseline: the one H.264 profile every phone takes


def h264_codecs(codecs: Iterable[RTCRtpCodecCapability] | None = None) -> list[RTCRtpCodecCapability]:
    """The codecs to offer when the picture is to be constrained-baseline H.264 and nothing else."""
    offered = RTCRtpSender.getCapabilities("video").codecs if codecs is None else codecs
    return [
        codec
        for codec in offered
        if codec.mimeType == "video/rtx" or codec.parameters.get("profile-level-id") == PROFILE
    ]


class _Session:
    """One peer connection set up by a POST of an offer and ended by a DELETE of what that created."""

    def __init__(self, session: ClientSession, joined: Joined, url: URL) -> None:
        self._session = session
        self._joined = joined
        self._url = url
        self._location: URL | None = None
        self.lost = asyncio.Event()
        self.connected = asyncio.Event()
        # Always a list: the default would be a public STUN host.
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=list(joined.ice_servers)))
        self.connection.on("connectionstatechange", self._state_changed)

    async def start(self, *, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Offer and wait until media can flow.

        Raises `Refused` if the service declines, `TimeoutError` or `ConnectionError` if no path is found.
        """
        async with asyncio.timeout(timeout_s):
            with loopback_candidates(is_loopback(self._url.host)):
                await self.connection.setLocalDescription(await self.connection.createOffer())
            answer = await self._post(self.connection.localDescription.sdp)
            await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
            await self._settled()

    async def close(self, *, timeout_s: float = 5.0) -> None:
        """End the session at the service, if it can be reached, and here."""
        location, self._location = self._location, None
        try:
            if location is not None:
                async with (
                    asyncio.timeout(timeout_s),
                    self._session.delete(location, headers=self._joined.headers),
                ):
                    pass
        except (ClientError, TimeoutError):
            pass  # the service notices by itself that no media comes
        finally:
            await self.connection.close()
            self.lost.set()

    async def _post(self, offer: str) -> str:
        headers = {**self._joined.headers, "Content-Type": "application/sdp"}
        async with self._session.post(self._url, data=offer, headers=headers) as response:
            if response.status != 201:
                raise await refusal(response)
            self._location = self._url.join(URL(response.headers["Location"]))
            return await response.text()

    async def _settled(self) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self.connected, self.lost)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.lost.is_set():
            raise ConnectionError("no media path to the service")

    def _state_changed(self) -> None:
        match self.connection.connectionState:
            case "connected":
                self.connected.set()
            case "failed" | "closed":
                self.lost.set()


class WhipPublisher(_Session):
    """Publishes tracks into one slot. `lost` is set once no more media can reach the service."""

    def __init__(
        self,
        session: ClientSession,
        joined: Joined,
        tracks: Sequence[MediaStreamTrack],
        *,
        source: str = "camera",
        video_codecs: Sequence[RTCRtpCodecCapability] = (),
    ) -> None:
        super().__init__(session, joined, joined.base / "whip" % {"source": source})
        for track in tracks:
            transceiver = self.connection.addTransceiver(track, direction="sendonly")
            if track.kind == "video" and video_codecs:
                transceiver.setCodecPreferences(list(video_codecs))


class WhepViewer(_Session):
    """Plays one slot; `audio` and `video` are its tracks once started, if the slot has them."""

    def __init__(self, session: ClientSession, joined: Joined, slot: str) -> None:
        super().__init__(session, joined, joined.base / "whep" / slot)
        self.audio: MediaStreamTrack | None = None
        self.video: MediaStreamTrack | None = None
        self.connection.on("track", self._add)
        for kind in ("audio", "video"):
            self.connection.addTransceiver(kind, direction="recvonly")

    def _add(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self.audio = track
        else:
            self.video = track
