#!/usr/bin/env python3
"""Model files of attune and of llama.cpp read by each other: types, sizes, greedy texts, perplexity.

Usage: compare_with_llama.py --llama BIN_FOLDER [--attune BINARY] [--model FILE] [--work FOLDER] [--text FILE] [--types A,B,...]

BIN_FOLDER holds llama-quantize and llama-completion. The model is converted to F32 first; each type is then written twice, by
`attune quantize` and by `llama-quantize`, and each of the two files is read by both programs. Printed is one JSON object a line:
  types_equal   tensors of both files have the same types
  ours, theirs  of the file that attune, llama-quantize wrote: bytes, perplexity (attune, --text), and `same`, the number of leading
                characters that both programs continue the prompt with alike, of `of` characters. attune computes in F32; llama.cpp
                keeps keys and values in F32, but rounds activations to 8 bits for block formats, so that long texts part some time
Needs 6 GB of disk for the 270M model; some minutes a type. Not part of the tests: it needs a build of llama.cpp.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROMPT = "The history of computing began with"


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed ({done.returncode}): {done.stderr[-500:]}")
    return done.stdout


def attune_text(arguments, model, count):
    out = run(arguments.attune, "generate", "-m", model, "-p", PROMPT, "-n", count, "--greedy", "--compute", "f32", "--json")
    return json.loads(out)["text"]


def llama_text(arguments, model, count):
    out = run(arguments.llama / "llama-completion", "-m", model, "-p", PROMPT, "-n", count, "--temp", "0", "-no-cnv",
              "-ctk", "f32", "-ctv", "f32", "-fa", "off", "-t", os.cpu_count())
    return out[out.index(PROMPT) + len(PROMPT):].split("[end of text]")[0]


def perplexity(arguments, model):
    if not arguments.text:
        return None
    out = run(arguments.attune, "perplexity", "-m", model, "-f", arguments.text, "-c", arguments.tokens, "--json")
    return json.loads(out)["perplexity"]


def tensor_types(arguments, model):
    out = json.loads(run(arguments.attune, "inspect", model, "--json"))
    return {t["name"]: t["type"] for t in out["tensors"]}


def common(a, b):
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    return count


def describe(arguments, model):
    ours, theirs = attune_text(arguments, model, arguments.count), llama_text(arguments, model, arguments.count)
    theirs = theirs.rstrip("\n")
    return {"bytes": model.stat().st_size, "perplexity": perplexity(arguments, model), "same": common(ours, theirs), "of": len(ours)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--llama", type=Path, required=True)
    parser.add_argument("--attune", type=Path, default=ROOT / "build/release/attune")
    parser.add_argument("--model", type=Path, default=ROOT / "models/gemma-3-270m-q4_k_m.gguf")
    parser.add_argument("--work", type=Path, default=Path("compare-llama"))
    parser.add_argument("--text", type=Path)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--types", default="F16,Q8_0,Q6_K,Q5_K_M,Q5_0,Q4_K_M,Q4_0")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    base = arguments.work / "f32.gguf"
    run(arguments.attune, "convert", arguments.model, base, "--dtype", "f32", "--force")
    print(json.dumps({"type": "F32", "ours": describe(arguments, base)}), flush=True)
    for name in arguments.types.split(","):
        if not re.fullmatch(r"[A-Z0-9_]+", name):
            sys.exit(f"type {name}: expected letters, digits and _")
        files = {"ours": arguments.work / f"ours-{name}.gguf", "theirs": arguments.work / f"theirs-{name}.gguf"}
        run(arguments.attune, "quantize", base, files["ours"], "--type", name, "--force")
        run(arguments.llama / "llama-quantize", base, files["theirs"], name, os.cpu_count())
        row = {"type": name, "types_equal": tensor_types(arguments, files["ours"]) == tensor_types(arguments, files["theirs"])}
        for who, file in files.items():
            row[who] = describe(arguments, file)
            file.unlink()
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
