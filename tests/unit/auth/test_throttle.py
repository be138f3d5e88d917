"""Rate limits."""

import pytest

from automa.auth.throttle import Limit, Throttle, network_of
from automa.errors import TooManyRequests

LIMIT = Limit(attempts=3, window_s=10)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock) -> Throttle:
    return Throttle(clock, max_keys=100)


def use_up(throttle: Throttle, key: str = "a") -> None:
    for _ in range(LIMIT.attempts):
        throttle.attempt(key, LIMIT)


def test_the_window_opens_again(throttle, clock):
    use_up(throttle)
    clock.now = 4
    with pytest.raises(TooManyRequests) as refused:
        throttle.attempt("a", LIMIT)
    assert refused.value.retry_after_s == 6
    clock.now = 10
    use_up(throttle)


def test_keys_do_not_touch_each_other(throttle):
    use_up(throttle, "a")
    use_up(throttle, "b")


def test_a_forgiven_attempt_does_not_count(throttle):
    for _ in range(20):
        throttle.attempt("a", LIMIT)
        throttle.forgive("a")
    throttle.forgive("unknown")
    use_up(throttle)


def test_memory_is_bounded_and_the_oldest_windows_go_first(throttle, clock):
    use_up(throttle, "old")
    for number in range(100):
        clock.now += 0.001
        throttle.attempt(f"n{number}", LIMIT)
    assert len(throttle._windows) == 100
    use_up(throttle, "old")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        (None, "local"),
        ("a-socket", "a-socket"),
    ],
)
def test_one_place_counts_as_one(address, network):
    assert network_of(address) == network
