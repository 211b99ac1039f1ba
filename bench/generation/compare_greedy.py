#!/usr/bin/env python3
"""Greedy continuations by Attune and by llama.cpp of the same ids, compared for 64 tokens.

Both quantise activations to int8, in different ways, so a near tie may fall either way: where the ids part, the gap between the two
candidates in llama.cpp's distribution says which it was. Exit code 0: all equal or near ties; 1: a real difference; 77: something is not here.
"""

import argparse
import http.client
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import programs
import rows

ROOT = Path(__file__).resolve().parents[2]
NEAR_TIE = 0.15  # nats between the two candidates
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea, there lived",
    "The three laws of thermodynamics state that",
    "def fibonacci(n):\n    ",
    "La boulangerie ouvre tous les matins à six heures, et",
    "Ingredients: two eggs, 200 g flour, a pinch of salt.\nMethod:",
]


def compare(ours, peer, top):
    """(verdict, equal tokens, gap): verdict "equal", "near tie" or "different"; top[i]: the peer's likeliest [{"id", "logprob"}] at i."""
    at = next((i for i, (a, b) in enumerate(zip(ours, peer)) if a != b), min(len(ours), len(peer)))
    if at == len(ours) == len(peer):
        return "equal", at, None
    if at == min(len(ours), len(peer)) or at >= len(top):
        return "different", at, None
    found = {entry["id"]: entry["logprob"] for entry in top[at]}
    if ours[at] not in found or peer[at] not in found:
        return "different", at, None
    gap = abs(found[peer[at]] - found[ours[at]])
    return ("near tie" if gap <= NEAR_TIE else "different"), at, gap


def ask_peer(port, ids, predict):
    body = json.dumps({"prompt": ids, "n_predict": predict, "temperature": 0, "n_probs": 10, "return_tokens": True, "ignore_eos": True,
                       "cache_prompt": False, "post_sampling_probs": False})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        raise programs.ProgramError(f"[compare] llama-server answered {response.status}: {answer}")
    top = [[{"id": entry["id"], "logprob": entry["logprob"]} for entry in position["top_logprobs"]]
           for position in answer.get("completion_probabilities", [])]
    return answer["tokens"], top


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    parser.add_argument("--model", default=str(ROOT / "models/gemma-3-270m-q4_k_m.gguf"))
    parser.add_argument("--predict", type=int, default=64)
    parser.add_argument("--compute", default="fast", choices=["fast", "f32"])
    options = parser.parse_args(arguments)
    try:
        context = rows.Context(ROOT, options.build, options.model, 2)
    except programs.ProgramError as error:
        print(error, file=sys.stderr)
        return 77
    port = programs.free_port()
    server = programs.Server("llama-server", [context.peer("llama-server"), "-m", context.model, "-t", 2, "--port", port, "-c", 2048, "-np", 1,
                                              "-fit", "off"], port)
    different = 0
    try:
        for prompt in PROMPTS:
            ours = programs.only_object(programs.run([context.attune, "generate", "-m", context.model, "-p", prompt, "-n", options.predict, "--greedy",
                                                      "--ignore-eos", "--compute", options.compute, "--json"]), "generate")
            peer, top = ask_peer(port, ours["prompt_ids"], options.predict)
            verdict, at, gap = compare(ours["ids"], peer, top)
            different += verdict == "different"
            print(json.dumps({"prompt": prompt, "compute": options.compute, "verdict": verdict, "equal_tokens": at, "gap": gap}), flush=True)
    finally:
        server.close()
    return 1 if different else 0


if __name__ == "__main__":
    programs.exit_with(main)
