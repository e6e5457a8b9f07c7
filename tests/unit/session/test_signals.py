"""Who gets a signal that reached the front, the supervisor or both."""

from __future__ import annotations

import signal

from tracer.session.signals import Relay

TERM = int(signal.SIGTERM)


def test_a_signal_to_the_front_alone_is_passed_on_at_once() -> None:
    assert Relay(in_front=True).take(own=[], front=[TERM], now=0.0).send == [TERM]


def test_a_signal_to_the_group_is_not_passed_on() -> None:
    relay = Relay(in_front=True)
    assert relay.take(own=[TERM], front=[TERM], now=0.0).send == []
    assert relay.take(own=[], front=[], now=9.0).send == []
    assert relay.wait_s is None


def test_a_signal_to_the_group_may_show_in_the_supervisor_first() -> None:
    relay = Relay(in_front=True)
    assert relay.take(own=[TERM], front=[], now=0.0).send == []
    assert relay.take(own=[], front=[TERM], now=0.01).send == []
    assert relay.take(own=[], front=[], now=9.0).send == []


def test_a_signal_to_the_supervisor_alone_is_passed_on_when_that_is_certain() -> None:
    relay = Relay(in_front=True)
    assert relay.take(own=[TERM], front=[], now=0.0).send == []
    assert relay.take(own=[], front=[], now=0.06).send == [TERM]
    assert relay.take(own=[], front=[], now=9.0).send == []


def test_without_a_front_every_signal_is_passed_on() -> None:
    assert Relay(in_front=False).take(own=[TERM], front=[], now=0.0).send == [TERM]
