#!/usr/bin/env python3
"""Belief updates of latent bandits against NumPy, decisions against Vowpal Wabbit, limits of small pieces of work and the cost against sizes: one
JSON object a line on stdout.

Called by scripts/bench.sh bandits; docs/methods/latent_bandits.md, "Speed", says what the rows are. All figures are processor seconds of one
thread, so that other processes on the machine count little.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
import driver
import machine
import pairs
import processes

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 1800
ROW_NAMES = ("update z5 vs numpy batched", "update z5 vs numpy per user", "update 1M users", "decide z5 k20 d10", "vw one by one", "vw batches",
             "rules", "mmts 200 particles", "cost")


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench.sh bandits", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the output is JSON lines in any case")
    parser.add_argument("--quick", action="store_true", help="3 pairs a row, fewer sizes")
    parser.add_argument("--rows", default="", metavar="PREFIX", help="only rows whose name begins so: " + ", ".join(ROW_NAMES))
    parser.add_argument("--pairs", type=int, metavar="N", help="pairs a row (default 7)")
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="build folder with bench/bandits_bench")
    parser.add_argument("--peer-python", default=str(ROOT / "build/peers/bandits/bin/python"), help="interpreter that has vowpalwabbit and numpy")
    parser.add_argument("--data", default=str(ROOT / "build/bench-bandits"), help="folder of the generated problems")
    parser.add_argument("--output", metavar="FILE", help="append the JSON lines to this file too")
    parser.add_argument("--columns", metavar="FILE", help="measure nothing: the cost rows of this file as columns, for bench/bandits/cost.gp")
    options = parser.parse_args(arguments)
    options.pairs = options.pairs or (3 if options.quick else 7)
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    if not any(name.startswith(options.rows) for name in ROW_NAMES):
        parser.error(f"no row begins with '{options.rows}', known are: {', '.join(ROW_NAMES)}")
    return options


class Driver:
    def __init__(self, options):
        self.options = options
        self.bench = Path(options.build) / "bench/bandits_bench"
        if not self.bench.exists():
            raise processes.ProgramError(f"[bench] expected {self.bench}; scripts/bench.sh builds it")
        self.folder = Path(options.data)
        self.version = processes.version_of(ROOT)

    def ours(self, mode, **sizes):
        flags = [part for name, value in sizes.items() for part in (f"--{name}", value)]
        return processes.only_object(processes.run([self.bench, "--mode", mode, *flags], timeout_s=TIMEOUT_S), "bandits_bench")

    def peer(self, script, *flags):
        command = [self.options.peer_python, Path(__file__).parent / script, *flags]
        return processes.only_object(processes.run(command, timeout_s=TIMEOUT_S), script)

    def record(self, row, ours, unit, **more):
        record = {"row": row, "ours": ours, "peer": None, "unit": unit, "ratio": None, "lower90": None, "isa": None, "threads": 1,
                  "peer_version": None, "ours_version": self.version}
        record.update(more)
        return record

    def compare(self, row, unit, measure_ours, measure_peer, figure, peer_figure=None):
        """Alternating pairs of rates (larger is better): the median ratio and its interval; the load by others is recorded."""
        rates, load = [], machine.Load().start()
        for _ in range(self.options.pairs):
            ours, peer = measure_ours(), measure_peer()
            rates.append((ours[figure], peer[peer_figure or figure]))
            machine.note(f"{row}: ours {rates[-1][0]:.4g}, peer {rates[-1][1]:.4g} {unit}")
        ratios = [a / b for a, b in rates]
        return self.record(row, pairs.median([a for a, _ in rates]), unit, peer=pairs.median([b for _, b in rates]), ratio=pairs.median(ratios),
                           lower90=pairs.lower_bound_90(ratios), isa=ours["isa"], peer_version=peer["version"], pairs=len(rates),
                           load=load.stop()[0], details={"ours": ours, "peer": peer})

    def update(self, row, per_user):
        users, folder = 100000, self.folder / "update"
        flags = ["--data", folder, *(["--per-user", 5000] if per_user else [])]
        record = self.compare(row, "updates/s", lambda: self.ours("update", users=users, states=5, arms=20, data=folder),
                              lambda: self.peer("numpy_filter.py", *flags), "updates_per_second")
        record.update(limit_ratio=200 if per_user else 10, limit_ours=1e7, largest_difference=record["details"]["peer"]["largest_difference"])
        return record

    def million(self):
        found = self.ours("update", users=1000000, states=5, arms=20, repeats=5)
        return self.record("update 1M users", found["updates_per_second"], "updates/s", isa=found["isa"], seconds=found["seconds"],
                           belief_bytes=found["belief_bytes"], bytes_a_user=found["belief_bytes"] / found["users"], peak_bytes=found["peak_bytes"])

    def decide(self):
        found = self.ours("decide", users=5000, states=5, arms=20, dimension=10)
        return self.record("decide z5 k20 d10", found["us_per_user"], "us/user", isa=found["isa"], limit=1)

    def vw(self, row, batches):
        folder = self.folder / "events"
        record = self.compare(row, "events/s", lambda: self.ours("events", events=20000, states=5, arms=20, dimension=10, data=folder),
                              lambda: self.peer("vw_events.py", "--data", folder, "--events", 2000 if self.options.quick else 5000),
                              "batch_events_per_second" if batches else "events_per_second", "events_per_second")
        record.update(limit_ratio=20)
        return record

    def rules(self):
        found = self.ours("rules", states=5, arms=20, dimension=10)
        return self.record("rules", found["us"]["mts"], "us/round", isa=found["isa"], us=found["us"])

    def mmts(self):
        found = self.ours("mmts", states=5, arms=20, particles=200)
        return self.record("mmts 200 particles", found["rounds_per_second"], "rounds/s", isa=found["isa"], limit=5000)

    def cost(self, name, value):
        """One run of our side at one size; the others are Z = 5, K = 20, d = 10, 200 particles."""
        if name == "particles":
            found = self.ours("mmts", states=5, arms=20, particles=value)
            return self.record("cost", 1e6 / found["rounds_per_second"], "us/round", isa=found["isa"], size=name, value=value)
        sizes = {"states": 5, "arms": 20, "dimension": 10, name: value}
        update = self.ours("update", users=20000, states=sizes["states"], arms=sizes["arms"], repeats=5)
        decide = self.ours("decide", users=1000, repeats=5, **sizes)
        return self.record("cost", 1e9 / update["updates_per_second"], "ns/update", isa=update["isa"], size=name, value=value,
                           decide_us=decide["us_per_user"])

    def rows(self):
        yield ROW_NAMES[0], lambda: self.update(ROW_NAMES[0], False)
        yield ROW_NAMES[1], lambda: self.update(ROW_NAMES[1], True)
        yield ROW_NAMES[2], self.million
        yield ROW_NAMES[3], self.decide
        yield ROW_NAMES[4], lambda: self.vw(ROW_NAMES[4], False)
        yield ROW_NAMES[5], lambda: self.vw(ROW_NAMES[5], True)
        yield "rules", self.rules
        yield "mmts 200 particles", self.mmts
        sizes = {"states": (2, 5, 10, 20, 50), "arms": (5, 20, 80, 320), "dimension": (2, 10, 40, 160),
                 "particles": (50, 200, 1000)}
        for name, values in sizes.items():
            for value in values[:2] if self.options.quick else values:
                yield "cost", lambda name=name, value=value: self.cost(name, value)


def measure(options):
    bench = Driver(options)
    failed = 0
    for name, work in bench.rows():
        if not name.startswith(options.rows):
            continue
        try:
            driver.emit(work(), options.output)
        except processes.ProgramError as error:  # the other rows go on
            failed += 1
            machine.note(f"{name}: {error}")
            driver.emit(bench.record(name, None, None, error=str(error)), options.output)
    return 1 if failed else 0


def columns(path):
    """The cost rows as gnuplot blocks: size, ns an update (particles: us a round of mmTS), us a decision and
    update; one block a kind of size."""
    import markdown
    lines, last = [], None
    for record in markdown.read_records(path):
        if record["row"] != "cost" or record["ours"] is None:
            continue
        if last not in (None, record["size"]):
            lines.append("\n")
        last = record["size"]
        lines.append(f"{record['value']} {record['ours']:.3f} {record.get('decide_us', 0):.4f}")
    return "\n".join(lines) + "\n"


def work(options):
    if options.columns:
        print(columns(options.columns), end="")
        return 0
    return measure(options)


def main(arguments):
    options = parse_arguments(arguments)
    return driver.exit_code("bandits", lambda: work(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
