"""Messages are parsed at the edge, and what cannot be understood is answered."""

import pytest

from server.live.messages import AnswerItem, Chat, UnknownMessage, id_of, parse


def test_a_message_becomes_a_value() -> None:
    assert parse('{"type": "chat", "id": "c1", "text": "你好"}') == Chat(id="c1", text="你好")
    assert parse('{"type": "answer", "item": "x", "result": "pass"}') == AnswerItem(item="x", result="pass")
    seen = parse('{"type": "answer", "item": "x", "result": "pass", "was": 0}')
    assert seen == AnswerItem(item="x", result="pass", was=0)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "[]",
        '{"type": "sing"}',
        '{"type": "chat"}',
        '{"type": "chat", "text": 5}',
        '{"type": "answer", "item": "x", "result": "perhaps"}',
        '{"type": "network", "loss": 1.5}',
        '{"type": "location", "lat": NaN, "lon": 0, "accuracy_m": 1, "taken_at": "", "permission": ""}',
    ],
)
def test_what_cannot_be_understood_is_refused_in_words(raw: str) -> None:
    with pytest.raises(UnknownMessage) as refused:
        parse(raw)
    assert refused.value.params["detail"]


def test_the_question_is_found_even_in_a_message_that_is_not_understood() -> None:
    assert id_of('{"type": "sing", "id": "c7"}') == "c7"
    assert id_of("no json") == ""
    assert len(id_of('{"id": "' + "x" * 500 + '"}')) == 40
