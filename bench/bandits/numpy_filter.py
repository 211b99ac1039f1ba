#!/usr/bin/env python3
"""The peer of the rows `update`: the same filter in NumPy, over all users at once or user by user, on the problem that `bandits_bench --mode update`
wrote. Prints one line of JSON: processor seconds of a round of all users, and the largest difference from our beliefs after one round.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy


def batched(p, mean, phi, arms, rewards, precision):
    """p [B, Z] after a reward of every user: likelihoods relative to the largest of a row, float32 throughout."""
    error = rewards[:, None] - mean[arms]
    log_likelihood = -precision * error * error
    weights = p * numpy.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ phi


def one_user(p, mean, phi, arm, reward, precision):
    error = reward - mean[arm]
    log_likelihood = -precision * error * error
    weights = p * numpy.exp(log_likelihood - log_likelihood.max())
    return (weights / weights.sum()) @ phi


def measure(options):
    folder = options.data
    initial = numpy.fromfile(folder / "initial.f64").astype(numpy.float32)
    states = len(initial)
    phi = numpy.fromfile(folder / "phi.f64").reshape(states, states).astype(numpy.float32)
    mean = numpy.fromfile(folder / "mean.f64").reshape(-1, states).astype(numpy.float32)
    arms = numpy.fromfile(folder / "arms.i32", dtype=numpy.int32)
    rewards = numpy.fromfile(folder / "rewards.f32", dtype=numpy.float32)
    after = numpy.fromfile(folder / "after.f64").reshape(-1, states)
    precision = numpy.float32(1 / (2 * 0.5 ** 2))
    users = len(arms) if not options.per_user else min(len(arms), options.per_user)
    p = numpy.tile(initial, (users, 1))
    found = []
    for repeat in range(options.repeats + 1):  # the first does not count
        begin = time.process_time()
        if options.per_user:
            for user in range(users):
                p[user] = one_user(p[user], mean, phi, arms[user], rewards[user], precision)
        else:
            p = batched(p, mean, phi, arms, rewards, precision)
        seconds = time.process_time() - begin
        if repeat == 0:
            difference = float(numpy.abs(p - after[:users]).max())
        else:
            found.append(seconds)
    seconds = sorted(found)[len(found) // 2]
    return {"users": users, "seconds": seconds, "updates_per_second": users / seconds, "largest_difference": difference,
            "version": f"NumPy {numpy.__version__}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--per-user", type=int, default=0, metavar="N", help="user by user, for the first N users; 0: all at once")
    parser.add_argument("--repeats", type=int, default=5)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
