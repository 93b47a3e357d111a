"""Which kind stopped while the other goes on."""

from server.media.codecs import Kind
from server.media.hearing import Heard, Hearing


class Slot:
    """What arrives, a tenth of a second at a time."""

    def __init__(self) -> None:
        self.hearing = Hearing()
        self.received: dict[Kind, int] = {"audio": 0, "video": 0}
        self.keyframe_at = 0.0
        self.now = 0.0

    def hear(self, *kinds: Kind, seconds: float, keyframe: bool = False) -> list[Heard]:
        told: list[Heard] = []
        for _ in range(round(seconds * 10)):
            self.now = round(self.now + 0.1, 3)
            for kind in kinds:
                self.received[kind] += 100
            if keyframe:
                self.keyframe_at, keyframe = self.now, False
            told += self.hearing.look(self.received, self.keyframe_at, self.now)
        return told


def test_a_picture_that_stops_while_the_sound_goes_on_is_told_after_two_seconds() -> None:
    slot = Slot()
    assert slot.hear("audio", "video", seconds=5) == []
    assert slot.hear("audio", seconds=1.9) == []
    assert slot.hear("audio", seconds=0.2) == [Heard("video", True, 5.0)]
    assert slot.hear("audio", seconds=10) == []


def test_a_picture_is_there_again_with_the_first_keyframe() -> None:
    slot = Slot()
    slot.hear("audio", "video", seconds=5)
    slot.hear("audio", seconds=5)
    assert slot.hearing.wants_keyframe()
    assert slot.hear("audio", "video", seconds=1) == []
    assert slot.hear("audio", "video", seconds=1, keyframe=True) == [Heard("video", False, 11.1)]
    assert not slot.hearing.wants_keyframe()
    assert slot.hear("audio", "video", seconds=10) == []


def test_sound_that_stops_is_told_and_is_there_again_with_its_first_packet() -> None:
    slot = Slot()
    slot.hear("audio", "video", seconds=5)
    assert slot.hear("video", seconds=3) == [Heard("audio", True, 5.0)]
    assert slot.hear("audio", "video", seconds=1) == [Heard("audio", False, 8.1)]


def test_nothing_is_lacking_of_what_was_never_there_nor_when_all_is_silent() -> None:
    slot = Slot()
    assert slot.hear("audio", seconds=10) == []
    assert slot.hear("video", "audio", seconds=1) == []
    assert slot.hear(seconds=10) == []


def test_after_an_interruption_everything_is_expected_anew() -> None:
    slot = Slot()
    slot.hear("audio", "video", seconds=5)
    slot.hear("audio", seconds=3)
    slot.now += 20
    slot.hearing.restart(slot.now)
    assert slot.hear("audio", seconds=1.9) == []
    assert slot.hear("audio", seconds=0.3) == [Heard("video", True, 28.0)]
