#!/usr/bin/env python3
"""Weighted ALS against the Python package `implicit`, concept activation vectors against scikit-learn, the cost against the size, and the limits
of small pieces of work: one JSON object a line on stdout.

Called by scripts/bench.sh people; docs/benchmarks.md says what the rows are.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
import driver
import machine
import pairs
import people_report
import processes

ROOT = Path(__file__).resolve().parents[2]
FULL = 25000095  # MovieLens 25M
TIMEOUT_S = 3600


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench.sh people", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the output is JSON lines in any case")
    parser.add_argument("--quick", action="store_true", help="3 pairs of one million ratings, costs up to one million")
    parser.add_argument("--rows", default="", metavar="PREFIX", help="only rows whose name begins so: " + ", ".join(people_report.ROW_NAMES))
    parser.add_argument("--pairs", type=int, metavar="N", help="pairs a row (default 5)")
    parser.add_argument("--ratings", type=int, metavar="N", help=f"size of the rows wals (default {FULL})")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="build folder with bench/people_bench and bench/generation_bench")
    parser.add_argument("--peer-python", default=str(ROOT / "build/peers/people/bin/python"), help="interpreter that has implicit and scikit-learn")
    parser.add_argument("--data", default=str(ROOT / "build/bench-people"), help="folder of the generated matrices (0.5 GB in full)")
    parser.add_argument("--movielens", default=str(ROOT / "datasets/ml-100k"), help="MovieLens 100K")
    parser.add_argument("--wait-quiet", type=float, default=0.3, metavar="CORES", help="wait until others use less than this; 0: do not wait")
    parser.add_argument("--keep-disturbed", action="store_true", help="count disturbed pairs too and do not wait: their load is recorded")
    parser.add_argument("--wait-limit", type=float, default=300, metavar="S", help="longest wait a row, seconds")
    parser.add_argument("--output", metavar="FILE", help="append the JSON lines to this file too")
    parser.add_argument("--markdown", metavar="FILE", help="measure nothing: rewrite the tables of docs/benchmarks.md from this file of JSON lines")
    parser.add_argument("--columns", metavar="FILE", help="measure nothing: the cost rows of this file as columns, for bench/people/cost.gp")
    parser.add_argument("--page", default=str(ROOT / "docs/benchmarks.md"), help="the page that --markdown rewrites")
    options = parser.parse_args(arguments)
    options.pairs = options.pairs or (3 if options.quick else 5)
    options.ratings = options.ratings or (1_000_000 if options.quick else FULL)
    if options.keep_disturbed:
        options.wait_quiet = 0
    options.sizes = [100_000, 1_000_000] if options.quick else [100_000, 1_000_000, 10_000_000, FULL]
    if options.pairs < 1 or options.threads < 1 or options.ratings < 2000:
        parser.error("--pairs and --threads must be at least 1, --ratings at least 2000")
    if not any(name.startswith(options.rows) for name in people_report.ROW_NAMES):
        parser.error(f"no row begins with '{options.rows}', known are: {', '.join(people_report.ROW_NAMES)}")
    return options


class Driver:
    """Runs both sides. Matrices are generated once a size and kept."""

    def __init__(self, options):
        self.options = options
        self.bench = Path(options.build) / "bench/people_bench"
        probe = Path(options.build) / "bench/generation_bench"
        for path in (self.bench, probe):
            if not path.exists():
                raise processes.ProgramError(f"[bench] expected {path}; scripts/bench.sh builds it")
        self.facts = self.object([probe, "--mode", "limits", "--threads", options.threads], "limits")
        self.probe = machine.BandwidthProbe(str(probe), options.threads)
        self.version = processes.version_of(ROOT)

    def object(self, command, what):
        return processes.only_object(processes.run(command, timeout_s=TIMEOUT_S), what)

    def data(self, ratings):
        folder = Path(self.options.data) / f"{ratings}-{self.options.rank}"
        if not (folder / "ready").exists():
            machine.note(f"generating {ratings} ratings")
            self.object([self.bench, "--mode", "generate", "--ratings", ratings, "--rank", self.options.rank, "--data", folder,
                         "--threads", self.options.threads], "people_bench")
            (folder / "ready").touch()
        return folder

    def ours(self, ratings, solver, epochs):
        return self.object([self.bench, "--mode", "als", "--data", self.data(ratings), "--solver", solver, "--rank", self.options.rank,
                            "--epochs", epochs, "--threads", self.options.threads], "people_bench")

    def peer(self, ratings, solver, epochs):
        return self.object([self.options.peer_python, Path(__file__).parent / "implicit_als.py", "--data", self.data(ratings), "--solver", solver,
                            "--rank", self.options.rank, "--epochs", epochs, "--threads", self.options.threads], "implicit_als.py")

    def measure_pair(self, measure_ours, measure_peer, seconds):
        """Both sides once; `seconds` names the figure in what they print."""
        load = machine.Load([self.probe.pid]).start()
        before = self.probe.read()
        ours, peer = measure_ours(), measure_peer()
        after = self.probe.read()
        other, steal = load.stop()
        return pairs.Pair(ours[seconds], peer[seconds], before, after, other, steal, {"ours": ours, "peer": peer})

    def measure_pairs(self, name, measure_ours, measure_peer, seconds):
        """Alternating pairs; dropped pairs are replaced, up to twice the number asked for."""
        o, found, waiting = self.options, [], self.options.wait_limit
        drops = (lambda pair: None) if o.keep_disturbed else pairs.Pair.reason_to_drop
        while sum(drops(pair) is None for pair in found) < o.pairs and len(found) < 2 * o.pairs:
            if o.wait_quiet > 0 and not machine.wait_quiet([self.probe.pid], o.wait_quiet, waiting, say=machine.note):
                waiting = 0  # the limit is for the whole row
            pair = self.measure_pair(measure_ours, measure_peer, seconds)
            found.append(pair)
            reason = drops(pair)
            machine.note(f"{name}: pair {len(found)}: ours {pair.ours:.4g}, peer {pair.peer:.4g} s, ratio {pairs.ratio_of(pair, True):.3f}, "
                         f"others {pair.other_load:.2f} cores" + (f", dropped: {reason}" if reason else ""))
        return found, pairs.summarise(found, True, min(o.pairs, pairs.MIN_KEPT), o.keep_disturbed)

    def common(self, peer_version=None):
        return {"isa": self.facts["isa"], "threads": self.options.threads, "cpu": self.facts["cpu"], "ours_version": self.version,
                "peer_version": peer_version}

    def wals(self, solver):
        """Seconds an epoch, and the loss of both sides after the same number of epochs."""
        o = self.options
        epochs = 1 if solver == "cholesky" and o.ratings > 5_000_000 else 3
        self.data(o.ratings)
        found, summary = self.measure_pairs(f"wals {solver}", lambda: self.ours(o.ratings, solver, epochs),
                                            lambda: self.peer(o.ratings, solver, epochs), "median_epoch_seconds")
        ours, peer = found[-1].details["ours"], found[-1].details["peer"]
        return {"row": f"wals {solver}", "unit": "s/epoch", "ratings": ours["ratings"], "users": ours["users"], "items": ours["items"],
                "rank": o.rank, "epochs": epochs, **summary, "ours_loss": ours["loss"], "peer_loss": peer["loss"],
                "ours_peak_bytes": ours["peak_bytes"], "peer_peak_bytes": peer["peak_bytes"], "csr_and_factor_bytes": ours["csr_and_factor_bytes"],
                "memory_ratio": ours["memory_ratio"], **self.common(peer["version"])}

    def cav(self, cross_validate):
        """Seconds of 1,000 concept activation vectors. The peer fits some of them and is scaled up; both must find the same directions."""
        o, folder = self.options, Path(self.options.data) / f"cav-{self.options.rank}"
        flag = [] if not cross_validate else ["--cross-validate"]
        count = (20 if o.quick else 50) if cross_validate else 1000
        ours = lambda: self.object([self.bench, "--mode", "cav", "--data", folder, "--rank", o.rank, "--threads", o.threads,
                                    "--cross-validate", "true" if cross_validate else "false"], "people_bench")
        peer = lambda: self.object([o.peer_python, Path(__file__).parent / "sklearn_cav.py", "--data", folder, "--rank", o.rank, "--count", count,
                                    *flag], "sklearn_cav.py")
        name = "cav cross-validated" if cross_validate else "cav"
        found, summary = self.measure_pairs(name, ours, peer, "seconds")
        last = found[-1].details["peer"]
        processor = {side: pairs.median([pair.details[side]["processor_seconds"] for pair in found]) for side in ("ours", "peer")}
        return {"row": name, "unit": "s", "cavs": 1000, "peer_cavs": count, "rank": o.rank, "examples": found[-1].details["ours"]["examples"], **summary,
                "limit": 40 if cross_validate else 1.5, "ours_processor": processor["ours"], "peer_processor": processor["peer"], "least_cosine": last["least_cosine"], "median_cosine": last["median_cosine"],
                **self.common(last["version"])}

    def cost(self, ratings):
        """One run of each side: a curve, not a claim."""
        ours, peer = self.ours(ratings, "cg", 3), self.peer(ratings, "cg", 3)
        exact = self.ours(ratings, "cholesky", 1)
        return {"row": "cost", "ratings": ratings, "users": ours["users"], "items": ours["items"], "rank": self.options.rank, "unit": "s/epoch",
                "ours": ours["median_epoch_seconds"], "ours_cholesky": exact["median_epoch_seconds"], "peer": peer["median_epoch_seconds"],
                "ours_peak_bytes": ours["peak_bytes"], "peer_peak_bytes": peer["peak_bytes"], "memory_ratio": ours["memory_ratio"],
                **self.common(peer["version"])}

    def critique(self):
        r = self.object([self.bench, "--mode", "critique", "--rank", self.options.rank], "people_bench")
        updates = {name: r[f"ms_{name}"] for name in ("heuristic", "bayes", "pairwise")}
        return {"row": "critique", "unit": "ms/step", "ours": max(updates.values()), "limit": 5, "ms": updates, "items": r["items"],
                "rank": self.options.rank, **self.common()}

    def update(self):
        r = self.object([self.bench, "--mode", "update", "--data", self.data(1_000_000), "--rank", self.options.rank], "people_bench")
        return {"row": "update", "unit": "us", "ours": r["micros_1000"], "limit": 1000, "micros": {n: r[f"micros_{n}"] for n in (20, 100, 1000)},
                "rank": self.options.rank, **self.common()}

    def movielens(self):
        if not Path(self.options.movielens).is_dir():
            return self.not_run("ml-100k", f"not run: no folder {Path(self.options.movielens).name}, scripts/bootstrap.sh fetches it")
        found = {solver: self.object([self.bench, "--mode", "movielens", "--path", self.options.movielens, "--rank", 32, "--epochs", 20,
                                      "--solver", solver, "--threads", self.options.threads], "people_bench")
                 for solver in ("cg", "cholesky")}
        return {"row": "ml-100k", "unit": "ms/epoch", "ours": found["cholesky"]["epoch_ms"], "ours_cg": found["cg"]["epoch_ms"],
                "processor_ms": found["cholesky"]["processor_ms"], "limit": 25, "rank": 32, **self.common()}

    def not_run(self, row, why):
        machine.note(f"{row}: {why}")
        return {"row": row, "ours": None, "peer": None, "ratio": None, "skipped": why, **self.common()}

    def rows(self):
        """(name, work) in order."""
        o = self.options
        yield "wals cg", lambda: self.wals("cg")
        yield "wals cholesky", lambda: self.wals("cholesky")
        yield "cav", lambda: self.cav(False)
        yield "cav cross-validated", lambda: self.cav(True)
        yield "critique", self.critique
        yield "update", self.update
        yield "ml-100k", self.movielens
        for ratings in o.sizes:
            yield "cost", lambda ratings=ratings: self.cost(ratings)


def measure(options):
    bench = Driver(options)
    failed = 0
    try:
        for name, work in bench.rows():
            if not name.startswith(options.rows):
                continue
            try:
                driver.emit(work(), options.output)
            except processes.ProgramError as error:  # the other rows go on
                failed += 1
                machine.note(f"{name}: {error}")
                driver.emit({"row": name, "ours": None, "peer": None, "ratio": None, "error": str(error), **bench.common()}, options.output)
    finally:
        bench.probe.close()
    return 1 if failed else 0


def work(options):
    if options.markdown:
        people_report.rewrite(options.page, people_report.read_records(options.markdown))
        return 0
    if options.columns:
        print(people_report.columns(people_report.read_records(options.columns)), end="")
        return 0
    return measure(options)


def main(arguments):
    options = parse_arguments(arguments)
    return driver.exit_code("people", lambda: work(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
