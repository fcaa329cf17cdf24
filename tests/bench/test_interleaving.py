"""Timing in turn: everybody as often, in both orders, without the first rounds."""

import itertools
import time

from repro.bench.interleaving import in_turn, rates


def test_ways_take_turns_in_both_orders_and_warm_up_does_not_count():
    called = []
    seconds = in_turn({name: lambda name=name: called.append(name) for name in "abc"}, 4, warm_up=2)
    rounds = ["".join(called[start : start + 3]) for start in range(0, len(called), 3)]
    assert sorted(rounds) == ["abc"] * 3 + ["cba"] * 3
    assert all(one != other for one, other in itertools.pairwise(rounds))
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 4, "b": 4, "c": 4}


def test_what_takes_longer_is_seen_to_take_longer():
    seconds = in_turn({"none": lambda: None, "some": lambda: time.sleep(0.02)}, 3)
    assert min(seconds["some"]) >= 0.02 > max(seconds["none"])
    assert rates(10, [0.5, 2.0]) == [20.0, 5.0]
