"""Offers that no browser writes: answered, or refused by name, and nothing else."""

import random
from collections.abc import AsyncIterator

import pytest

from server.media import MediaConfig, MediaEngine, OfferRejected, Slot
from tests.media.peers import Observer
from tests.unit.media import offers

MUTATIONS = 1500
LONG = 100_000


@pytest.fixture
async def slot() -> AsyncIterator[Slot]:
    engine = await MediaEngine.open(MediaConfig())
    yield engine.open_slot("camera", Observer())
    await engine.close()


TYPICAL = offers.typical()
REFUSED = {
    "nothing": "",
    "words": "hello",
    "zeros": "\0" * 100,
    "only a head": "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    "no codec that we know": offers.offer(
        offers.section("audio", "0", "a=rtpmap:0 PCMU/8000\n"),
        offers.section("video", "1", "a=rtpmap:45 AV1/90000\na=rtpmap:98 VP9/90000\n"),
    ),
    "H.264 in a mode that we do not send": offers.offer(offers.video(offers.h264(mode=0))),
    "a data channel alone": offers.offer("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:0\n"),
    "no credentials": TYPICAL.replace("a=ice-ufrag:rH8w\r\n", "").replace("a=ice-pwd", "a=x-pwd"),
    "no fingerprint": "\r\n".join(line for line in TYPICAL.split("\r\n") if "fingerprint" not in line),
    "nothing to send": offers.typical("inactive"),
    "lines that end in the middle": "v=0\r\nm=\r\na=\r\n",
    "a long line": "v=0\r\no=" + "x" * LONG,
    "only attributes": "a=mid:0\r\n" * 1000,
}
ODD = {
    "several videos": offers.offer(
        offers.audio(), offers.video(), offers.video(mid="2"), offers.video(mid="3")
    ),
    "the same section twice": offers.offer(offers.video(mid="1"), offers.video(mid="1"), bundle="1 1"),
    "a hundred sections": offers.offer(*(offers.video(mid=str(index)) for index in range(100))),
    "numbers that are absurd": TYPICAL.replace("108", "999999999999").replace("90000", "-1"),
    "payload types out of range": TYPICAL.replace("108", "300"),
    "ports that are none": TYPICAL.replace(" 9 UDP", " 99999999 UDP"),
    "an address that is none": TYPICAL.replace("0.0.0.0", "999.999.999.999"),
    "a fingerprint that is none": TYPICAL.replace("AB:", "ZZ:"),
    "long credentials": TYPICAL.replace("rH8w", "x" * LONG),
    "unknown attributes": TYPICAL + "a=mystery:" + "y" * LONG + "\r\n",
    "an alphabet of its own": TYPICAL.replace("s=-", "s=\u202e\U0001f600\0"),
    "sizes without end": TYPICAL + "a=imageattr:108 send [x=999999999,y=999999999]\r\n" * 50,
    "line feeds alone": TYPICAL.replace("\r\n", "\n"),
    "a bundle of strangers": TYPICAL.replace("BUNDLE 0 1", "BUNDLE 7 8 9"),
    "extensions without end": TYPICAL + "".join(f"a=extmap:{n} urn:x:{n}\r\n" for n in range(2000)),
}


async def offered(slot: Slot, sdp: str) -> bool:
    """Whether it was answered."""
    for ask in (slot.publish, slot.view):
        try:
            session = await ask(sdp)
        except OfferRejected:
            continue
        assert session.answer_sdp.startswith("v=0")
        await session.close()
        return True
    return False


@pytest.mark.parametrize("name", REFUSED)
async def test_an_offer_that_makes_no_sense_is_refused(slot: Slot, name: str) -> None:
    assert not await offered(slot, REFUSED[name])


@pytest.mark.parametrize("name", ODD)
async def test_an_odd_offer_is_answered_or_refused(slot: Slot, name: str) -> None:
    await offered(slot, ODD[name])


async def test_an_offer_of_several_videos_is_answered_section_by_section(slot: Slot) -> None:
    session = await slot.publish(ODD["several videos"])
    assert session.answer_sdp.count("m=video") == 3
    assert session.answer_sdp.count("a=recvonly") == 2
    await session.close()


async def test_offers_changed_at_random_are_answered_or_refused(slot: Slot) -> None:
    chance = random.Random(11)
    answered = 0
    for _ in range(MUTATIONS):
        lines = TYPICAL.split("\r\n")
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(lines))
            match chance.randrange(5):
                case 0:
                    del lines[at]
                    lines = lines or [""]
                case 1:
                    lines.insert(at, chance.choice(lines))
                case 2:
                    lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
                case 3:
                    place = chance.randrange(len(lines[at]) + 1)
                    lines[at] = lines[at][:place] + chr(chance.randrange(1, 0x250)) + lines[at][place + 1 :]
                case _:
                    other = chance.randrange(len(lines))
                    lines[at], lines[other] = lines[other], lines[at]
        answered += await offered(slot, "\r\n".join(lines))
    assert 0 < answered < MUTATIONS
