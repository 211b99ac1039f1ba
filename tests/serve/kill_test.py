#!/usr/bin/env python3
"""kill -9 while 16 writers send ratings and critiques: what was acknowledged is there after the restart, once, and what is
believed of a user is what it was. Standard library only.

Usage: kill_test.py ATTUNE_BINARY MODEL [KILLS]. Exit code 77 (skipped) if the binary or the model is absent.
"""

import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

WRITERS = 16


def start(binary, model, folder):
    """The process and its port, once it is ready."""
    process = subprocess.Popen(
        [binary, "serve", "-m", model, "--port", "0", "--recommender", os.path.join(folder, "recommender"),
         "--store", os.path.join(folder, "state", "attune.db")], stderr=subprocess.PIPE, text=True)
    port = None
    for line in process.stderr:
        match = re.search(r"listening on http://127.0.0.1:(\d+)", line)
        port = int(match.group(1)) if match else port
        if line.startswith("ready"):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, port
    sys.exit("the server did not start")


def call(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Writer(threading.Thread):
    """Sends ratings and critiques with ids of its own until the server is gone; remembers which were acknowledged."""

    def __init__(self, port, user, items, number):
        super().__init__()
        self.port, self.user, self.items, self.number = port, user, items, number
        self.acknowledged = []
        self.critiques = 0

    def run(self):
        while True:
            event = f"{self.user}-{self.number}"
            item = self.items[self.number % len(self.items)]
            self.number += 1
            path, body = "/v1/feedback", {"user": self.user, "item": item, "kind": "rating", "value": 1 + self.number % 5, "event_id": event}
            if self.number % 3 == 0:
                path, body = "/v1/critique", {"user": self.user, "attribute": "comedy", "direction": "more", "limit": 3, "event_id": event}
            try:
                status, data = call(self.port, "POST", path, body)
            except (OSError, http.client.HTTPException):
                return
            if status == 200:
                self.acknowledged.append(event)
                self.critiques += path == "/v1/critique"


def main():
    binary, model = sys.argv[1:3]
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    if not os.path.exists(binary) or not os.path.exists(model):
        print(f"skipped: expected an attune binary and a model, found {binary}, {model}")
        return 77
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        learned = os.path.join(folder, "recommender")
        subprocess.run([binary, "learn", "ratings", "generated", "--out", learned, "--no-compare"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        acknowledged = {f"writer-{w}": [] for w in range(WRITERS)}
        sent = critiques = beliefs = 0
        believed = None  # of the user "mood" when the server was killed
        for kill in range(kills + 1):
            begin = time.monotonic()
            process, port = start(binary, model, folder)
            known = sum(map(len, acknowledged.values()))
            print(f"start {kill}: ready after {time.monotonic() - begin:.1f} s, {known} acknowledged", flush=True)
            for user, events in acknowledged.items():
                if not events:
                    continue
                status, data = call(port, "GET", f"/v1/users/{user}/export")
                stored = [json.loads(line)["event_id"] for line in data.decode().splitlines() if '"event_id"' in line]
                lost = set(events) - set(stored)
                assert status == 200 and not lost, f"{user} lost {sorted(lost)[:5]}"
                assert len(stored) == len(set(stored)), f"{user} has events twice"
            if believed:
                status, data = call(port, "POST", "/v1/recommend", {"user": "mood", "policy": "greedy", "k": 20})
                answer = json.loads(data)
                assert status == 200 and answer["decision"]["belief"] == believed, f"believed {believed} before the kill, then {answer}"
                trajectory = json.loads(call(port, "GET", "/v1/users/mood/belief")[1])["trajectory"]
                assert [step["event"] for step in trajectory] == [f"mood-{n}" for n in range(kill)], "the belief is no replay of the log"
                beliefs += 1
            if kill == kills:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=30) == 0, "SIGTERM did not give exit code 0"
                break
            items = [item["item"] for item in json.loads(call(port, "GET", "/v1/items?limit=50")[1])["items"]]
            writers = [Writer(port, f"writer-{w}", items, sent + w * 1000) for w in range(WRITERS)]
            for writer in writers:
                writer.start()
            time.sleep(random.uniform(0.05, 0.8))
            event = {"user": "mood", "item": items[kill], "kind": "rating", "value": 5, "event_id": f"mood-{kill}", "belief": True}
            status, data = call(port, "POST", "/v1/feedback", event)
            assert status == 200, data
            process.kill()
            believed = json.loads(data)["belief"]["after"]
            process.wait()
            for writer in writers:
                writer.join()
                acknowledged[writer.user] += writer.acknowledged
                critiques += writer.critiques
            sent += WRITERS * 1000
    total = sum(map(len, acknowledged.values()))
    assert total > critiques > 0, f"{total} events, {critiques} critiques acknowledged: the test tested nothing"
    assert beliefs == kills, f"{beliefs} beliefs compared, expected {kills}"
    print(f"{kills} kills, {total} acknowledged events ({critiques} critiques), none lost, none twice; {beliefs} beliefs as before")
    return 0


if __name__ == "__main__":
    sys.exit(main())
