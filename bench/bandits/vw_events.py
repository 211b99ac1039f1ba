#!/usr/bin/env python3
"""The peer of the row `vw`: Vowpal Wabbit's contextual bandit cb_explore_adf over the log that `bandits_bench --mode events` wrote.

Examples are parsed and hashed before the clock starts; an event is then one `learn` of the multi-line example, which also gives the
distribution over its actions. Prints one line of JSON with processor seconds.
"""

import argparse
import json
import time
from pathlib import Path

import numpy
import vowpalwabbit


def examples_of(vw, features, action, reward):
    """One multi-line example an event: a line an action, costs are minus rewards, propensities those of the uniform logging policy."""
    out = []
    propensity = 1 / features.shape[1]
    for x, a, r in zip(features, action, reward):
        lines = []
        for k, row in enumerate(x):
            label = f"0:{-r:.6f}:{propensity:.6f} " if k == a else ""
            lines.append(label + "| " + " ".join(f"{i}:{value:.7g}" for i, value in enumerate(row)))
        out.append(vw.parse("\n".join(lines), vowpalwabbit.pyvw.LabelType.CONTEXTUAL_BANDIT))
    return out


def measure(options):
    features = numpy.fromfile(options.data / "features.f32", dtype=numpy.float32).reshape(-1, options.arms, options.dimension)
    features = features[:options.events]
    action = numpy.fromfile(options.data / "action.i32", dtype=numpy.int32)
    reward = numpy.fromfile(options.data / "reward.f32", dtype=numpy.float32)
    vw = vowpalwabbit.Workspace(f"--cb_explore_adf {options.explore} --quiet")
    events = examples_of(vw, features, action, reward)
    found = []
    for repeat in range(options.repeats + 1):  # the first does not count
        begin = time.process_time()
        for event in events:
            vw.learn(event)
        if repeat > 0:
            found.append(time.process_time() - begin)
    probabilities = vw.predict(events[-1])
    if len(probabilities) != options.arms or abs(sum(probabilities) - 1) > 1e-3:
        raise SystemExit(f"[vw] expected a distribution over {options.arms} actions, found {probabilities}")
    seconds = sorted(found)[len(found) // 2]
    for event in events:
        vw.finish_example(event)
    return {"events": len(events), "seconds": seconds, "events_per_second": len(events) / seconds,
            "version": f"vowpalwabbit {vowpalwabbit.__version__}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--dimension", type=int, default=10)
    parser.add_argument("--events", type=int, default=5000, help="the first of the log")
    parser.add_argument("--explore", default="--epsilon 0.1", help="exploration of cb_explore_adf")
    parser.add_argument("--repeats", type=int, default=3)
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
