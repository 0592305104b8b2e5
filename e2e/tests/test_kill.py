"""Random kills under the load of both protocols, run by `kill.py`."""

import random

import kill

ROUNDS = 20


def test_no_acknowledged_write_is_lost_and_nothing_reads_corrupt_after_random_kills():
    seed = random.SystemRandom().randrange(10**6)

    count, failures = kill.run(ROUNDS, clients=8, images=200, seed=seed)

    assert failures == [], f"seed {seed}"
    assert (count.rounds, count.lost, count.corrupt) == (ROUNDS, 0, 0), f"seed {seed}"
    assert count.acked > 500
