"""Tables of docs/benchmarks.md, section People, from a file of JSON lines."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
from markdown import figure, read_records, replace_block, write_whole

PEER_ROWS = ["wals cg", "wals cholesky", "cav", "cav cross-validated"]
LIMIT_ROWS = ["cav", "cav cross-validated", "critique", "update", "ml-100k"]
ROW_NAMES = [*PEER_ROWS, "critique", "update", "ml-100k", "cost"]


def latest_of(records):
    return {record["row"]: record for record in records if "row" in record and record["row"] != "cost"}


def why_missing(record):
    if record is None:
        return "not run yet"
    return record.get("skipped") or ("too noisy" if record.get("noisy") else "failed")


def rows_table(records):
    """The rows with a peer; the last record of a name counts."""
    latest = latest_of(records)
    lines = ["| Row | Work | Attune | peer | Unit | Ratio | Lower 90 % | Pairs (dropped) | Others' cores | Same result | Peak MiB ours, peer | Peak over matrix and factors |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for name in PEER_ROWS:
        r = latest.get(name)
        if r is None or r.get("ratio") is None:
            lines.append(f"| `{name}` | {why_missing(r)} | | | | | | | | | | |")
            continue
        if "ours_loss" in r:
            work, same = f"{r['ratings']:,} ratings", f"losses {r['ours_loss']:.9f}, {r['peer_loss']:.9f} after {r['epochs']} epoch{'' if r['epochs'] == 1 else 's'}"
        else:
            work, same = f"{r['cavs']:,} CAVs, {r['examples']} examples each", f"median cosine {r['median_cosine']:.6f}, least {r['least_cosine']:.4f}"
            if "ours_processor" in r:
                work += f"; processor seconds {figure(r['ours_processor'])}, {figure(r['peer_processor'])}"
        peak = f"{r['ours_peak_bytes'] / 2**20:.0f}, {r['peer_peak_bytes'] / 2**20:.0f}" if "ours_peak_bytes" in r else ""
        memory = f"{r['memory_ratio']:.2f}" if "memory_ratio" in r else ""
        lines.append(f"| `{name}` | {work} | {figure(r['ours'])} | {figure(r['peer'])} | {r['unit']} | **{r['ratio']:.2f}** | {r['lower90']:.2f} | "
                     f"{r['pairs']} ({r['dropped']}) | {r.get('load', 0):.2f} | {same} | {peak} | {memory} |")
    return "\n".join(lines)


def limits_table(records):
    """The rows with a fixed limit."""
    latest = latest_of(records)
    lines = ["| Row | Attune | Unit | Limit |", "|---|---|---|---|"]
    for name in LIMIT_ROWS:
        r = latest.get(name)
        if r is None or r.get("ours") is None:
            lines.append(f"| `{name}` | {why_missing(r)} | | |")
        else:
            processor = f" (processor time of all threads: {figure(r['processor_ms'])} ms)" if "processor_ms" in r else ""
            lines.append(f"| `{name}` | {figure(r['ours'])}{processor} | {r['unit']} | {r['limit']} |")
    return "\n".join(lines)


def cost_records(records):
    """The last cost record of each size, by size."""
    latest = {record["ratings"]: record for record in records if record.get("row") == "cost" and record.get("ours") is not None}
    return [latest[size] for size in sorted(latest)]


def cost_table(records):
    lines = ["| Ratings | Users | Items | Attune CG | Attune Cholesky | implicit CG | Peak MiB ours, implicit | Peak over matrix and factors |",
             "|---|---|---|---|---|---|---|---|"]
    for r in cost_records(records):
        lines.append(f"| {r['ratings']:,} | {r['users']:,} | {r['items']:,} | {figure(r['ours'])} | {figure(r['ours_cholesky'])} | {figure(r['peer'])} | "
                     f"{r['ours_peak_bytes'] / 2**20:.0f}, {r['peer_peak_bytes'] / 2**20:.0f} | {r.get('memory_ratio', 0):.2f} |")
    if len(lines) == 2:
        lines.append("| not run yet | | | | | | | |")
    return "\n".join(lines)


def columns(records):
    """Ratings, seconds an epoch (ours with CG, ours with Cholesky, implicit with CG): what bench/people/cost.gp draws."""
    lines = ["# ratings attune_cg attune_cholesky implicit_cg"]
    lines += [f"{r['ratings']} {r['ours']:.6g} {r['ours_cholesky']:.6g} {r['peer']:.6g}" for r in cost_records(records)]
    return "\n".join(lines) + "\n"


def machine_line(records):
    rows = [record for record in records if record.get("peer_version") and record.get("cpu")]
    if not rows:
        return "Not run yet."
    r = rows[-1]
    peers = sorted({record["peer_version"] for record in rows})
    return f"{r['cpu']}, {r['isa']}, {r['threads']} threads; Attune {r['ours_version']}; {', '.join(peers)}."


def rewrite(page, records):
    """Rewrites the tables of a page, whole or not at all."""
    text = Path(page).read_text()
    text = replace_block(text, "people machine", machine_line(records))
    text = replace_block(text, "people rows", rows_table(records))
    text = replace_block(text, "people limits", limits_table(records))
    text = replace_block(text, "people cost", cost_table(records))
    write_whole(Path(page), text)
