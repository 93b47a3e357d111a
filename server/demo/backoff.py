"""How long to wait before trying again."""

import random
from collections.abc import Callable, Iterator

FIRST_S = 0.5
CAP_S = 5.0
BUDGET_S = 900.0


def delays(
    first_s: float = FIRST_S,
    cap_s: float = CAP_S,
    budget_s: float = BUDGET_S,
    jitter: Callable[[], float] = random.random,
) -> Iterator[float]:
    """Yield waits in seconds: doubling up to `cap_s`, each shortened by up to half, ending once `budget_s` is spent.

    `jitter` gives values in [0, 1); it keeps many phones from coming back in one instant.
    """
    spent, step = 0.0, first_s
    while spent < budget_s:
        wait = min(step * (1 - jitter() / 2), budget_s - spent)
        spent += wait
        step = min(step * 2, cap_s)
        yield wait
