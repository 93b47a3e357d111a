"""Strangers may check some receipts at once, and then one every few seconds."""

from server.web.allowance import BURST, BURST_OF_ALL, MOST_ADDRESSES, REFILL_S, Allowance


def test_some_checks_are_free_and_then_there_is_a_pause() -> None:
    allowance = Allowance()
    assert [allowance.take("a", 0.0) for _ in range(BURST)] == [0] * BURST
    assert allowance.take("a", 0.0) == REFILL_S
    assert allowance.take("b", 0.0) == 0
    assert allowance.take("a", REFILL_S - 0.5) == 1
    assert allowance.take("a", REFILL_S) == 0
    assert allowance.take("a", REFILL_S) > 0


def test_many_addresses_together_have_to_wait_too() -> None:
    allowance = Allowance()
    waits = [allowance.take(f"address {number}", 0.0) for number in range(BURST_OF_ALL + 1)]
    assert waits == [0] * BURST_OF_ALL + [1]


def test_what_is_remembered_is_bounded() -> None:
    allowance = Allowance()
    for number in range(MOST_ADDRESSES + 50):
        allowance.take(f"address {number}", number * 2.0)
    assert len(allowance) == MOST_ADDRESSES
