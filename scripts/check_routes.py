#!/usr/bin/env python3
"""Calls every route of a running Attune server once and says what came back. Standard library only.

Usage: check_routes.py http://127.0.0.1:8080 [--server-pid PID] [--user 196] [--api-key KEY] [--wait SECONDS]
Ends with 'N passed, N failed' and exit code 0 or 1. The user and the item that it creates are removed again.
"""

import argparse
import http.client
import json
import os
import sys
import time
import urllib.parse


class Failure(Exception):
    """A check that did not hold; its text is shown."""


def need(condition, message):
    if not condition:
        raise Failure(message)


class Client:
    def __init__(self, base, api_key):
        parts = urllib.parse.urlsplit(base)
        self.host, self.port, self.api_key = parts.hostname, parts.port or 80, api_key

    def request(self, method, path, body=None, timeout=120):
        """(status, headers, bytes, seconds)."""
        begin = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read(), time.monotonic() - begin
        finally:
            connection.close()

    def json(self, method, path, body=None, expect=200):
        status, headers, data, _ = self.request(method, path, body)
        need(status == expect, f"status {status}, expected {expect}: {data[:300].decode(errors='replace')}")
        need(headers.get_content_type() == "application/json", f"content type {headers.get_content_type()}")
        return json.loads(data)

    def events(self, path, body):
        """Server-sent events as objects; the last one must be [DONE]."""
        status, headers, data, _ = self.request("POST", path, body)
        need(status == 200, f"status {status}: {data[:300].decode(errors='replace')}")
        need(headers.get_content_type() == "text/event-stream", f"content type {headers.get_content_type()}")
        lines = [line[5:].strip() for line in data.decode().splitlines() if line.startswith("data:")]
        need(lines and lines[-1] == "[DONE]", f"the stream ends with {lines[-1:]}, expected [DONE]")
        return [json.loads(line) for line in lines[:-1]]


def short(text, width=76):
    text = " ".join(str(text).split())
    return text if len(text) <= width else text[: width - 3] + "..."


class Checks:
    def __init__(self, client, user):
        self.client, self.user = client, user
        self.fresh = f"check-{os.getpid()}-{time.time_ns()}"
        self.item = f"check-item-{os.getpid()}"
        self.model = None
        self.seen_item = None
        self.word = None

    def health(self):
        return self.client.json("GET", "/health")["status"]

    def models(self):
        models = self.client.json("GET", "/v1/models")["data"]
        need(models, "no model is listed")
        self.model = models[0]["id"]
        one = self.client.json("GET", "/v1/models/" + urllib.parse.quote(self.model))
        need(one["id"] == self.model, f"asked for {self.model}, got {one['id']}")
        return self.model

    def page(self):
        status, headers, data, _ = self.client.request("GET", "/")
        need(status == 200 and headers.get_content_type() == "text/html", f"status {status}, {headers.get_content_type()}")
        need(b"<" in data, "the page is empty")
        return f"{len(data)} bytes of HTML"

    def chat(self):
        answer = self.client.json("POST", "/v1/chat/completions", {
            "model": self.model, "messages": [{"role": "user", "content": "Name a fruit."}], "max_tokens": 16, "temperature": 0})
        need(answer["usage"]["completion_tokens"] >= 1, "no token was generated")
        return short(answer["choices"][0]["message"]["content"])

    def chat_stream(self):
        body = {"model": self.model, "messages": [{"role": "user", "content": "Name a fruit."}], "max_tokens": 16, "temperature": 0,
                "stream": True, "stream_options": {"include_usage": True}}
        events = self.client.events("/v1/chat/completions", body)
        text = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
        need(any(e["choices"] and e["choices"][0].get("finish_reason") for e in events), "no finish_reason")
        need(events[-1].get("usage"), "no usage at the end")
        whole = self.client.json("POST", "/v1/chat/completions", {k: v for k, v in body.items() if not k.startswith("stream")})
        need(whole["choices"][0]["message"]["content"] == text, "the streamed text differs from the whole one")
        return short(text)

    def completion(self):
        answer = self.client.json("POST", "/v1/completions", {
            "model": self.model, "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0, "n": 1})
        return short(answer["choices"][0]["text"])

    def embeddings(self):
        answer = self.client.json("POST", "/v1/embeddings", {"model": self.model, "input": ["one text", "another"]})
        vectors = [item["embedding"] for item in answer["data"]]
        need(len(vectors) == 2 and len(vectors[0]) == len(vectors[1]) > 0, "expected two vectors of one width")
        need(all(abs(sum(x * x for x in v) - 1) < 1e-4 for v in vectors), "expected vectors of length 1")
        return f"{len(vectors[0])} wide"

    def completion_stream(self):
        events = self.client.events("/v1/completions", {
            "model": self.model, "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0, "stream": True})
        return short("".join(e["choices"][0]["text"] for e in events if e["choices"]))

    def tokenize(self):
        tokens = self.client.json("POST", "/tokenize", {"content": "The capital"})["tokens"]
        text = self.client.json("POST", "/detokenize", {"tokens": tokens})["content"]
        need(text.removeprefix("<bos>").strip() == "The capital", f"came back as {text!r}")
        return f"{tokens}"

    def recommend(self):
        answer = self.client.json("POST", "/v1/recommend", {"user": self.user, "k": 5})
        need(len(answer["items"]) == 5, f"{len(answer['items'])} items, expected 5")
        scores = [item["score"] for item in answer["items"]]
        need(scores == sorted(scores, reverse=True), "scores do not fall")
        self.seen_item = answer["items"][0]["item"]
        return short("; ".join(item["title"] for item in answer["items"]))

    def recommend_because(self):
        answer = self.client.json("POST", "/v1/recommend", {"user": self.user, "k": 3, "because": True})
        for item in answer["items"]:
            need(item["because"] and item["because_source"] in ("model", "template"), f"no reason: {item}")
        return short(f"{answer['items'][0]['title']}: {answer['items'][0]['because']} [{answer['items'][0]['because_source']}]", 150)

    def recommend_stream(self):
        events = self.client.events("/v1/recommend", {"user": self.user, "k": 3, "because": True, "stream": True})
        kinds = [event["type"] for event in events]
        need(kinds[0] == "items" and kinds[-1] == "done" and kinds.count("because") == 3, f"events {kinds}")
        return f"{len(events)} events, shares {events[-1]['because_share']}"

    def feedback(self):
        body = {"user": self.fresh, "item": self.seen_item, "kind": "rating", "value": 5, "event_id": self.fresh + "-1"}
        first = self.client.json("POST", "/v1/feedback", body)
        again = self.client.json("POST", "/v1/feedback", body)
        need(first["stored"] and not first["duplicate"] and again["duplicate"], f"{first}, then {again}")
        answer = self.client.json("POST", "/v1/recommend", {"user": self.fresh, "k": 5})
        need(self.seen_item not in [item["item"] for item in answer["items"]], "a rated item is recommended again")
        self.client.json("POST", "/v1/feedback", {"user": self.fresh, "item": answer["items"][0]["item"], "kind": "dismiss"})
        return f"new user {self.fresh}, rated {self.seen_item}, sent twice and stored once"

    def attributes(self):
        words = self.client.json("GET", "/v1/attributes")["data"]
        need(words, "no attribute is listed")
        self.word = next((word["name"] for word in words if word["name"] == "horror"), words[0]["name"])
        one = self.client.json("GET", "/v1/attributes/" + urllib.parse.quote(self.word))
        need(one["senses"][0]["high"] and one["senses"][0]["histogram"]["counts"], "no items or histogram")
        bars = self.client.json("GET", f"/v1/items/{self.seen_item}/attributes")["attributes"]
        need(len(bars) == len(words), f"{len(bars)} bars, expected {len(words)}")
        mine = self.client.json("GET", f"/v1/users/{self.user}/attributes")["attributes"]
        need(len(mine) == len(words), f"{len(mine)} tastes, expected {len(words)}")
        return f"{len(words)} words; {self.user} wants most of {mine[0]['name']} ({mine[0]['taste']:+.1f})"

    def critique(self):
        before = self.client.json("POST", "/v1/recommend", {"user": self.fresh, "k": 10})
        answer = self.client.json("POST", "/v1/critique", {"user": self.fresh, "attribute": self.word, "direction": "less"})
        low, high = answer["after"]["mean_degree"], answer["before"]["mean_degree"]
        need(low < high, f"less {self.word} moved the list from {high:.2f} to {low:.2f}")
        self.client.json("DELETE", f"/v1/users/{self.fresh}/critiques/{answer['event']}")
        after = self.client.json("POST", "/v1/recommend", {"user": self.fresh, "k": 10})
        need(after["items"] == before["items"], "the list is not as before after taking the critique back")
        return f"less {self.word}: {high:+.2f} to {low:+.2f}, taken back"

    def moods(self):
        states = self.client.json("GET", "/v1/states")["data"]
        need(states and states[0]["items"], "no mood is listed, or without typical items")
        likely = states[-1]
        for item in likely["items"][:4]:
            body = {"user": self.fresh, "item": item["item"], "kind": "rating", "value": 5, "belief": True}
            moved = self.client.json("POST", "/v1/feedback", body)["belief"]
        belief = self.client.json("GET", f"/v1/users/{self.fresh}/belief")
        now = [state["probability"] for state in belief["states"]]
        need(abs(sum(now) - 1) < 1e-9 and now == moved["after"], f"belief {now}, after the last rating {moved['after']}")
        for policy in ("greedy", "latent_ts", "latent_ids", "latent_ucb", "latent_mmts"):
            answer = self.client.json("POST", "/v1/recommend", {"user": self.fresh, "policy": policy, "seed": 1, "k": 5})
            need(len(answer["items"]) == 5 and answer["decision"]["event"], f"{policy}: {answer}")
        return f"{len(states)} moods; after 4 ratings {max(now):.2f} for one of them, lists by 5 policies"

    def items(self):
        path = "/v1/items/" + self.item
        self.client.json("PUT", path, {"title": "A Film for Checking", "year": 2001, "genres": ["Drama"]})
        got = self.client.json("GET", path)
        need(got["title"] == "A Film for Checking" and got["year"] == 2001, f"got {got}")
        found = self.client.json("GET", "/v1/items?query=film%20for%20checking&limit=5")
        need("A Film for Checking" in json.dumps(found), "the search does not find it")
        status, _, _, _ = self.client.request("DELETE", path)
        need(status in (200, 204), f"DELETE gave {status}")
        need(self.client.request("GET", path)[0] == 404, "still there after DELETE")
        return f"{self.item} put, read, found by title, deleted"

    def users(self):
        need(self.client.json("GET", "/v1/users?limit=3")["users"], "no user is listed")
        profile = self.client.json("GET", f"/v1/users/{self.user}")
        mine = self.client.json("GET", f"/v1/users/{self.fresh}")
        need(mine["num_ratings"] >= 1, f"the new user has {mine['num_ratings']} ratings")
        status, _, data, _ = self.client.request("GET", f"/v1/users/{self.fresh}/export")
        need(status == 200 and all(json.loads(line) for line in data.splitlines()), f"export gave {status}")
        status, _, _, _ = self.client.request("DELETE", f"/v1/users/{self.fresh}")
        need(status in (200, 204), f"DELETE gave {status}")
        need(self.client.request("GET", f"/v1/users/{self.fresh}")[0] == 404, "still there after DELETE")
        return f"{self.user} has {profile['num_ratings']} ratings, likes {', '.join(profile['taste']['likes'][:3])}; {self.fresh} erased"

    def metrics(self):
        status, _, data, _ = self.client.request("GET", "/metrics")
        need(status == 200 and b"# TYPE" in data, f"status {status}, {data[:80]!r}")
        return f"{data.count(b'# TYPE')} metrics"

    def refusals(self):
        error = self.client.json("GET", "/v1/nothing", expect=404)["error"]
        need(error["message"] and "type" in error, f"{error}")
        error = self.client.json("POST", "/v1/chat/completions", {"model": self.model, "messages": []}, expect=400)["error"]
        return short(error["message"])


def wait_until_ready(client, seconds, server_pid):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if client.request("GET", "/health", timeout=5)[0] == 200:
                return
        except OSError:
            pass
        if server_pid:
            try:
                if os.waitid(os.P_PID, server_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    break
            except ChildProcessError:  # not our child: only ask whether it exists, and whether it is a zombie
                try:
                    if open(f"/proc/{server_pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z":
                        break
                except OSError:
                    break
        time.sleep(0.2)
    sys.exit("the server did not get ready")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("base")
    parser.add_argument("--server-pid", type=int, default=0)
    parser.add_argument("--user", default="196")
    parser.add_argument("--api-key", default=os.environ.get("ATTUNE_API_KEY", ""))
    parser.add_argument("--wait", type=float, default=120)
    args = parser.parse_args()
    client = Client(args.base, args.api_key)
    wait_until_ready(client, args.wait, args.server_pid)
    user = args.user
    if client.request("GET", "/v1/users/" + urllib.parse.quote(user))[0] == 404:
        status, _, data, _ = client.request("GET", "/v1/users?limit=1")
        users = json.loads(data).get("users", []) if status == 200 else []
        user = str(users[0]) if users else user
    checks = Checks(client, user)
    passed = failed = 0
    for name, check in (
        ("GET /health", checks.health), ("GET /v1/models", checks.models), ("GET /", checks.page),
        ("POST /v1/chat/completions", checks.chat), ("  streaming", checks.chat_stream),
        ("POST /v1/completions", checks.completion), ("  streaming", checks.completion_stream),
        ("POST /v1/embeddings", checks.embeddings),
        ("POST /tokenize /detokenize", checks.tokenize),
        ("POST /v1/recommend", checks.recommend), ("  with reasons", checks.recommend_because), ("  streaming", checks.recommend_stream),
        ("POST /v1/feedback", checks.feedback), ("GET attributes", checks.attributes), ("POST /v1/critique", checks.critique), ("GET states, belief, policies", checks.moods), ("PUT GET DELETE /v1/items", checks.items), ("GET DELETE /v1/users", checks.users),
        ("GET /metrics", checks.metrics), ("refusals", checks.refusals),
    ):
        begin = time.monotonic()
        try:
            result, word = check(), "ok    "
            passed += 1
        except Exception as error:  # every route is reported, also after a failure
            result, word = f"{type(error).__name__}: {error}" if not isinstance(error, Failure) else str(error), "FAILED"
            failed += 1
        print(f"{word} {name:27s} {time.monotonic() - begin:6.2f} s  {result}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
