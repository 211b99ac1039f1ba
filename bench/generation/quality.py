#!/usr/bin/env python3
"""Gates on the quality of the fast arithmetic, on the default model and about 20,000 tokens of text: one JSON object a gate, exit code 1 if one
is missed, 77 if something that it needs is not here.

The text is Python's language reference as `pydoc` carries it (pydoc_data.topics of the Python that runs this), so nothing is downloaded.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
import machine
import programs
import rows

ROOT = Path(__file__).resolve().parents[2]
MAX_FROM_EXACT = 0.001  # relative difference of the perplexities of fast and f32
MAX_OF_PEER = 1.001     # our perplexity over llama.cpp's


def held_out_text():
    """The topics in alphabetical order, without the last newline (llama.cpp's programs drop one)."""
    import pydoc_data.topics
    topics = pydoc_data.topics.topics
    return "\n\n".join(topics[name].strip() for name in sorted(topics)).rstrip("\n")


def peer_perplexity(text):
    """The final estimate of a run of llama-perplexity."""
    found = re.findall(r"Final estimate: PPL = ([0-9.]+) \+/- ([0-9.]+)", text)
    if len(found) != 1:
        raise programs.ProgramError(f"[llama-perplexity] expected one final estimate, found {len(found)}: {text.strip()[-300:]}")
    return float(found[0][0])


def judge(name, value, bound, **more):
    """A gate: the value must not be above the bound (a NaN is)."""
    return {"gate": name, "value": value, "bound": bound, "holds": value <= bound, **more}


def perplexity_gates(fast, exact, peer):
    """Gates from two results of quality_bench and llama.cpp's perplexity (None: not asked for)."""
    out = []
    if exact is not None:
        out.append(judge("perplexity fast against f32", abs(fast["perplexity"] / exact["perplexity"] - 1), MAX_FROM_EXACT,
                         fast=fast["perplexity"], f32=exact["perplexity"], scored=fast["scored"], windows=fast["windows"]))
    if peer is not None:
        out.append(judge("perplexity against llama.cpp", fast["perplexity"] / peer, MAX_OF_PEER, fast=fast["perplexity"], llama_cpp=peer,
                         scored=fast["scored"], windows=fast["windows"]))
    return out


def agreement_gates(found):
    """Free-running answers up to the first near tie, and single steps along the exact answers wherever there is none."""
    common = {key: found[key] for key in ("prompts", "tokens", "rms_logit_error", "near_tie_below", "near_ties")}
    return [judge("greedy ids before the first near tie", found["parted_before_near_tie"], 0, **common,
                  **{key: found[key] for key in ("tokens_before_first_near_tie", "equal_tokens", "parted")}),
            judge("greedy choices along the exact answers without near ties", found["other_choice_without_near_tie"], 0, **common,
                  same_choice=found["same_choice"])]


def audit_gate(found):
    """Screened steps of which every one was compared with the full head."""
    return judge("misses of the screened head", found["misses"] if found["audits"] > 0 else float("nan"), 0,
                 **{key: found[key] for key in ("prompts", "audits", "rows")})


def ask_quality_bench(context, arguments):
    executable = context.bench.parent / "quality_bench"
    return programs.only_object(programs.run([executable, "--model", context.model, "--threads", context.threads, *arguments], timeout_s=7200),
                                "quality_bench")


def check_ids(context, file, window, ours):
    """llama.cpp reads the same ids at the text's beginning; its own first window starts with BOS as ours does."""
    port = programs.free_port()
    server = programs.Server("llama-server", [context.peer("llama-server"), "-m", context.model, "-t", context.threads, "--port", port, "-c", 512,
                                              "-np", 1, "-fit", "off"], port)
    try:
        theirs = server.ask("/tokenize", {"content": file.read_text(), "add_special": True})["tokens"]
    finally:
        server.close()
    mine = programs.only_object(programs.run([context.attune, "tokenize", "-m", context.model, "-f", file, "--json"]), "tokenize")["ids"]
    if mine[:1] != theirs[:1]:
        mine = theirs[:1] + mine
    if mine != theirs or theirs[:len(ours)] != ours:
        at = next((i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b), min(len(mine), len(theirs)))
        raise programs.ProgramError(f"[quality] the two programs read other tokens from position {at} on")
    return len(theirs)


def run_peer(context, file, options):
    """Both streams of llama-perplexity: versions differ in where the estimate is printed."""
    command = [context.peer("llama-perplexity"), "-m", context.model, "-f", file, "-t", context.threads, "-c", options.window, "-b", options.window,
               "--chunks", options.tokens // options.window, "-fit", "off"]
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=7200)
    if done.returncode != 0:
        raise programs.ProgramError(f"[llama-perplexity] ended with code {done.returncode}: {done.stdout.strip()[-300:]}")
    return peer_perplexity(done.stdout)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--model", default=str(ROOT / "models/gemma-3-270m-q4_k_m.gguf"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=20480, help="of the text, in whole windows")
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--predict", type=int, default=50, help="greedy tokens a prompt")
    parser.add_argument("--skip", default="", help="comma-separated: f32, peer, agreement, audit")
    options = parser.parse_args(arguments)
    skip = set(filter(None, options.skip.split(",")))
    try:
        context = rows.Context(ROOT, options.build, options.model, options.threads)
    except programs.ProgramError as error:
        print(error, file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "text.txt"
        file.write_text(held_out_text())
        gates = []
        text = f"pydoc topics of Python {platform.python_version()}"
        if not {"f32", "peer"} <= skip:
            ask = ["--mode", "perplexity", "--text", file, "--tokens", options.tokens, "--window", options.window, "--compute"]
            machine.note("perplexity of the fast arithmetic")
            fast = ask_quality_bench(context, [*ask, "fast"])
            exact = peer = None
            if "f32" not in skip:
                machine.note("perplexity of f32")
                exact = ask_quality_bench(context, [*ask, "f32"])
            if "peer" not in skip:
                machine.note("perplexity of llama.cpp")
                check_ids(context, file, options.window, fast["first_ids"])
                peer = run_peer(context, file, options)
            gates += perplexity_gates(fast, exact, peer)
        if "agreement" not in skip:
            machine.note("greedy agreement of the fast arithmetic with f32")
            gates += agreement_gates(ask_quality_bench(context, ["--mode", "agreement", "--text", file, "--prompts", options.prompts, "--predict",
                                                                 options.predict]))
        if "audit" not in skip:
            machine.note("audit of the screened head")
            gates.append(audit_gate(ask_quality_bench(context, ["--mode", "audit", "--text", file, "--prompts", 16, "--predict", 256])))
        for gate in gates:
            print(json.dumps({**gate, "text": text, "peer_version": context.peer_version}), flush=True)
    return 0 if all(gate["holds"] for gate in gates) else 1


if __name__ == "__main__":
    programs.exit_with(main)
