#!/usr/bin/env python3
"""Ours against llama.cpp, row by row: alternating pairs, the median of their ratios, one JSON object a line on stdout.

Called by scripts/bench.sh generation; docs/benchmarks.md says what the rows are.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
import driver
import machine
import pairs
import processes
import programs
import report
import rows

ROOT = Path(__file__).resolve().parents[2]


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench.sh generation", description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the output is JSON lines in any case")
    parser.add_argument("--quick", action="store_true", help="3 pairs a row")
    parser.add_argument("--rows", default="", metavar="PREFIX", help="only rows whose name begins so")
    parser.add_argument("--pairs", type=int, metavar="N", help="pairs a row (default 15)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default=str(ROOT / "models/gemma-3-270m-q4_k_m.gguf"))
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="build folder with attune and bench/generation_bench")
    parser.add_argument("--wait-quiet", type=float, default=0.3, metavar="CORES", help="wait until others use less than this; 0: do not wait")
    parser.add_argument("--wait-limit", type=float, default=300, metavar="S", help="longest wait a row, seconds")
    parser.add_argument("--profile", action="store_true", help="only the profiles of a decode step (1, 8, 32 sequences)")
    parser.add_argument("--output", metavar="FILE", help="append the JSON lines to this file too")
    parser.add_argument("--markdown", metavar="FILE", help="measure nothing: rewrite the tables of docs/benchmarks.md from this file of JSON lines")
    parser.add_argument("--page", default=str(ROOT / "docs/benchmarks.md"), help="the page that --markdown rewrites")
    options = parser.parse_args(arguments)
    if options.pairs is None:
        options.pairs = 3 if options.quick else 15
    if options.pairs < 1 or options.threads < 1:
        parser.error("--pairs and --threads must be at least 1")
    if not any(name.startswith(options.rows) for name in rows.ROW_NAMES):
        parser.error(f"no row begins with '{options.rows}', known are: {', '.join(rows.ROW_NAMES)}")
    return options


def measure_pair(row, probe, own_pids):
    load = machine.Load(own_pids).start()
    before = probe.read()
    ours = row.ours()
    facts = dict(row.facts)
    peer = row.peer()
    facts.update(row.facts)
    after = probe.read()
    other, steal = load.stop()
    return pairs.Pair(ours, peer, before, after, other, steal, facts)


def measure_row(row, options, probe):
    """The record of a row. Dropped pairs are replaced by further ones, up to twice the number asked for."""
    wanted = min(options.pairs, max(3, options.pairs // row.pairs_divisor))
    found = []
    row.prepare()
    try:
        own_pids = [probe.pid, *row.own_pids()]
        waiting = options.wait_limit
        while sum(pair.reason_to_drop() is None for pair in found) < wanted and len(found) < 2 * wanted:
            if options.wait_quiet > 0 and not machine.wait_quiet(own_pids, options.wait_quiet, waiting, say=machine.note):
                waiting = 0  # the limit is for the whole row
            pair = measure_pair(row, probe, own_pids)
            found.append(pair)
            reason = pair.reason_to_drop()
            machine.note(f"{row.name}: pair {len(found)}: ours {pair.ours:.4g}, llama.cpp {pair.peer:.4g} {row.unit}, ratio "
                         f"{pairs.ratio_of(pair, row.smaller_is_better):.3f}" + (f", dropped: {reason}" if reason else ""))
    finally:
        row.finish()
    summary = pairs.summarise(found, row.smaller_is_better, min(wanted, pairs.MIN_KEPT))
    facts = found[-1].details
    extra = {key: facts[key] for key in facts if key.startswith(("attune serve", "llama-server", "longest"))}
    return {"row": row.name, "ours": summary.pop("ours"), "peer": summary.pop("peer"), "unit": row.unit, "ratio": summary.pop("ratio"),
            "lower90": summary.pop("lower90"), "isa": facts.get("isa"), "threads": options.threads,
            "peer_version": row.context.peer_version, **summary, "cpu": facts.get("cpu"), "ours_version": processes.version_of(ROOT),
            "bytes_per_step": facts.get("bytes_per_step"), "macs_per_step": facts.get("macs_per_step"),
            "huge_page_kib": facts.get("huge_page_kib"), **extra, "peer_flags": peer_flags(row.name)}


def peer_flags(name):
    program = {"decode 1": "llama-bench", "prefill": "llama-bench", "decode": "llama-batched-bench", "chat": "llama-server",
               "speculation": "speculation"}
    key = next((value for prefix, value in program.items() if name.startswith(prefix)), name)
    return " ".join(rows.PEER_FLAGS[key])


def skipped(row, why):
    return {"row": row.name, "ours": None, "peer": None, "unit": row.unit, "ratio": None, "lower90": None, "isa": None,
            "threads": row.context.threads, "peer_version": row.context.peer_version, "skipped": why}


def measure(options):
    context = rows.Context(ROOT, options.build, options.model, options.threads)
    if options.profile:
        for sequences in (1, 8, 32):
            if options.wait_quiet > 0:
                machine.wait_quiet([], options.wait_quiet, options.wait_limit, say=machine.note)
            driver.emit(rows.profile(context, sequences), options.output)
        return 0
    # What every record says of the machine, also where the row itself has no such facts.
    facts = programs.only_object(programs.run([context.bench, "--mode", "limits", "--threads", options.threads]), "limits")
    probe = machine.BandwidthProbe(str(context.bench), options.threads)
    failed = 0
    try:
        for row in rows.all_rows(context):
            if not row.name.startswith(options.rows):
                continue
            why = row.why_skipped()
            if why:
                machine.note(f"{row.name}: skipped, {why}")
                driver.emit(skipped(row, why), options.output)
                continue
            try:
                record = measure_row(row, options, probe)
                for key in ("isa", "cpu"):
                    record[key] = record[key] or facts[key]
                record["int8_macs_per_second"] = facts["int8_macs_per_second"]
                driver.emit(record, options.output)
            except programs.ProgramError as error:  # the other rows go on
                failed += 1
                machine.note(f"{row.name}: {error}")
                driver.emit({"row": row.name, "ours": None, "peer": None, "unit": row.unit, "ratio": None, "lower90": None, "isa": facts["isa"],
                      "threads": options.threads, "peer_version": context.peer_version, "error": str(error)}, options.output)
    finally:
        probe.close()
    return 1 if failed else 0


def work(options):
    if options.markdown:
        report.rewrite(options.page, report.read_records(options.markdown), rows.ROW_NAMES)
        return 0
    return measure(options)


def main(arguments):
    options = parse_arguments(arguments)
    return driver.exit_code("generation", lambda: work(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
