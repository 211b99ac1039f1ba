#!/usr/bin/env python3
"""Tries llama.cpp's flags, interleaved and several times each, and writes the medians as the table of docs/benchmarks.md.

By hand, once a version: the winners go into PEER_FLAGS of rows.py.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
import machine
import pairs
import programs
import report
import rows

ROOT = Path(__file__).resolve().parents[2]
# Row that the flags are tried on, key of PEER_FLAGS, variants.
COMMON = [[], ["-fa", "on"], ["-fa", "off"], ["-lm", "none"], ["-ub", "128"], ["-ub", "256"], ["--poll", "100"]]
START = ["--no-warmup"]
TRIALS = [
    ("decode 1 greedy", "llama-bench", COMMON),
    ("decode 8", "llama-batched-bench", [*COMMON, ["-t", "1"], ["-kvu"], ["-nr"]]),
    ("decode 32", "llama-batched-bench", [*COMMON, ["-t", "1"], ["-kvu"], ["-nr"]]),
    ("prefill 512", "llama-bench", COMMON),
    ("chat turn 2", "llama-server", [["-fit", "off"], ["-fit", "off", "--swa-full"], ["-fit", "off", "-fa", "on"], ["-fit", "off", "-ub", "128"]]),
    ("first token", "first token", [[], START, [*START, "-fit", "off"], [*START, "-fit", "off", "-c", "512"], [*START, "-fit", "off", "-c", "512", "--no-repack"],
                                    [*START, "-fit", "off", "-c", "512", "-lm", "none"], [*START, "-fit", "off", "-c", "512", "--no-repack", "-fa", "off"]]),
    ("memory", "memory", [[*START, "-fit", "off", "-c", "8192", *more] for more in ([], ["--no-repack"], ["--no-repack", "-b", "64", "-ub", "64"],
                                                                                   ["--no-repack", "-b", "32", "-ub", "32"])]),
]


def try_variants(row, program, variants, repeats):
    """{flags: median}; a variant that the program refuses is left out with a note."""
    figures = {tuple(flags): [] for flags in variants}
    chosen = rows.PEER_FLAGS[program]
    try:
        for _ in range(repeats):
            for flags in variants:
                if figures[tuple(flags)] is None:
                    continue
                rows.PEER_FLAGS[program] = list(flags)
                machine.wait_quiet(row.own_pids(), 0.3, 120, say=machine.note)
                try:
                    if program == "llama-server":
                        row.prepare()
                    figures[tuple(flags)].append(row.peer())
                except programs.ProgramError as error:
                    machine.note(f"{row.name} {' '.join(flags)}: {error}")
                    figures[tuple(flags)] = None
                finally:
                    if program == "llama-server":
                        row.finish()
    finally:
        rows.PEER_FLAGS[program] = chosen
    return {flags: pairs.median(values) for flags, values in figures.items() if values}


def table(results, repeats):
    lines = [f"Medians of {repeats} interleaved runs each; the best is bold. A difference of a few percent is noise: the rows then keep the defaults.", "",
             "| Row | Unit | Flags and figures |", "|---|---|---|"]
    for row, figures in results:
        if not figures:
            lines.append(f"| `{row.name}` | {row.unit} | none ran |")
            continue
        best = (min if row.smaller_is_better else max)(figures.values())
        shown = (f"`{' '.join(flags) or 'defaults'}` {'**' if value == best else ''}{report.figure(value)}{'**' if value == best else ''}"
                 for flags, value in figures.items())
        lines.append(f"| `{row.name}` | {row.unit} | {'; '.join(shown)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--model", default=str(ROOT / "models/gemma-3-270m-q4_k_m.gguf"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", default="")
    parser.add_argument("--page", default=str(ROOT / "docs/benchmarks.md"))
    options = parser.parse_args()
    context = rows.Context(ROOT, options.build, options.model, 2)
    by_name = {row.name: row for row in rows.all_rows(context)}
    results = []
    for name, program, variants in TRIALS:
        if not name.startswith(options.rows):
            continue
        row = by_name[name]
        repeats = 1 if name == "memory" else options.repeats
        if program == "memory":
            row.prepare()
        results.append((row, try_variants(row, program, variants, repeats)))
        print(table(results[-1:], repeats).splitlines()[-1], flush=True)
        if program == "memory":
            row.finish()
    if not options.rows:
        page = Path(options.page)
        text = report.replace_block(page.read_text(), "generation flags", table(results, options.repeats))
        report.write_whole(page, text)


if __name__ == "__main__":
    try:
        main()
    except programs.ProgramError as failure:
        sys.exit(f"tune: {failure}")
