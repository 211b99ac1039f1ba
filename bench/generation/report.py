"""Tables of docs/benchmarks.md from a file of JSON lines."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
from markdown import BEGIN, END, figure, machine_line, read_records, replace_block, write_whole  # noqa: F401: tests and tune.py use them


def rows_table(records, names):
    """A line a row name; the last record of a name counts."""
    latest = {record["row"]: record for record in records if "row" in record}
    lines = ["| Row | Attune | llama.cpp | Unit | Ratio | Lower 90 % | Pairs (dropped) | ISA | Read GB/s |", "|---|---|---|---|---|---|---|---|---|"]
    for name in names:
        r = latest.get(name)
        if r is None or r.get("ratio") is None:
            why = "not run yet" if r is None else "not available yet" if r.get("skipped") else "too noisy" if r.get("noisy") else "failed"
            lines.append(f"| `{name}` | {why} | | | | | | | |")
            continue
        lines.append(f"| `{name}` | {figure(r['ours'])} | {figure(r['peer'])} | {r['unit']} | **{r['ratio']:.2f}** | {r['lower90']:.2f} | "
                     f"{r['pairs']} ({r['dropped']}) | {r['isa']} | {r['bandwidth_before'] / 1e9:.1f} |")
    return "\n".join(lines)


def profile_table(records):
    profiles = {record["sequences"]: record for record in records if record.get("mode") == "profile"}
    lines = ["| Sequences | Layers ms | Head and sampling ms: greedy, top-k 64, full | Step's MB (layers, head, cache) | Least ms by bytes: layers, head | "
             "Least ms by int8: layers, head | Read GB/s | Int8 GMAC/s |", "|---|---|---|---|---|---|---|---|"]
    if not profiles:
        lines.append("| not run yet | | | | | | | |")
    for sequences, r in sorted(profiles.items()):
        head = ", ".join(f"{sampler['head_and_sampling_ms']:.1f}" for sampler in r["samplers"].values())
        least, limits = r["least_ms"], r["limits"]
        lines.append(f"| {sequences} | {r['layers_ms']:.1f} | {head} | {r['layer_bytes'] / 1e6:.0f}, {r['head_bytes'] / 1e6:.0f}, {r['kv_bytes'] / 1e6:.1f} | "
                     f"{least['layers_by_bytes']:.1f}, {least['head_by_bytes']:.1f} | {least['layers_by_macs']:.1f}, {least['head_by_macs']:.1f} | "
                     f"{limits['read_bytes_per_second'] / 1e9:.1f} | {limits['int8_macs_per_second'] / 1e9:.0f} |")
    return "\n".join(lines)


def rewrite(page, records, names):
    """Rewrites the tables of a page, whole or not at all."""
    text = Path(page).read_text()
    text = replace_block(text, "generation machine", machine_line(records))
    text = replace_block(text, "generation rows", rows_table(records, names))
    text = replace_block(text, "generation profile", profile_table(records))
    write_whole(Path(page), text)
