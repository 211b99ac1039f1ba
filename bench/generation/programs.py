"""Running the programs that are compared and reading what they print. Every call is a fresh process unless it is a server."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "common"))
from processes import TIMEOUT_S, ProgramError, json_lines, only_object, run


def llama_bench_speed(text):
    """Tokens a second of a run of llama-bench -o jsonl with one test."""
    record = only_object(text, "llama-bench")
    if "avg_ts" not in record:
        raise ProgramError("[llama-bench] expected the field avg_ts")
    return record["avg_ts"]


def batched_bench_speed(text, sequences):
    """Generated tokens a second of a run of llama-batched-bench --output-format jsonl with one size."""
    record = only_object(text, "llama-batched-bench")
    if record.get("pl") != sequences or "speed_tg" not in record:
        raise ProgramError(f"[llama-batched-bench] expected speed_tg of {sequences} sequences, found {record}")
    return record["speed_tg"]


def first_byte_seconds(command):
    """From the start of a process to its first byte on stdout; then it is left to end. It must print something."""
    begin = time.perf_counter()
    with subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        first = os.read(process.stdout.fileno(), 1)
        seconds = time.perf_counter() - begin
        process.stdout.read()
    if not first or process.returncode != 0:
        raise ProgramError(f"[first token] {Path(command[0]).name} printed nothing or ended with code {process.returncode}")
    return seconds


def peak_memory_mib(command):
    """Largest resident set of a process, MiB, as the kernel counted it (mapped pages of the model file included)."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise ProgramError(f"[memory] {Path(command[0]).name} ended with code {process.returncode}: "
                               f"{errors.read().decode(errors='replace').strip()[-300:]}")
    return usage.ru_maxrss / 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """An HTTP server on a port of the loopback address, killed on close()."""

    def __init__(self, name, command, port, environment=None):
        self.name, self.port = name, port
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env=environment)
        deadline = time.monotonic() + 120
        while not self._healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise ProgramError(f"[server] {name} did not start: {self._log_end()}")
            time.sleep(0.1)

    @property
    def pid(self):
        return self.process.pid

    def _healthy(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def _log_end(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()[-400:]

    def ask(self, path, body):
        """The JSON answer to a request that is not streamed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise ProgramError(f"[server] {self.name} answered {response.status}: {answer[:300]!r}")
        return json.loads(answer)

    def chat(self, messages, max_tokens):
        """A streamed, greedy chat completion, as stream() gives it."""
        return self.stream("/v1/chat/completions", {"messages": messages, "max_tokens": max_tokens})

    def complete(self, prompt, max_tokens, on_text=None):
        """A streamed, greedy continuation of a text, as stream() gives it."""
        return self.stream("/v1/completions", {"prompt": prompt, "max_tokens": max_tokens}, on_text)

    def stream(self, path, body, on_text=None):
        """{"text", "times", "first_s", "usage"}; times: when each piece of text came; first_s: from the request to the first of them.
        `on_text` gets each time and ends the reading by returning false."""
        body = json.dumps({**body, "temperature": 0, "stream": True, "stream_options": {"include_usage": True}})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        begin = time.perf_counter()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise ProgramError(f"[server] {self.name} answered {response.status}: {response.read()[:300]!r}")
        out = {"text": "", "times": [], "usage": {}}
        with contextlib.closing(connection):
            for raw in response:
                if not raw.startswith(b"data: {"):
                    continue
                event = json.loads(raw[6:])
                if event.get("error"):
                    raise ProgramError(f"[server] {self.name}: {event['error']}")
                piece = "".join(choice.get("delta", {}).get("content") or choice.get("text") or "" for choice in event.get("choices", []))
                out["usage"] = event.get("usage") or out["usage"]
                if piece:
                    out["text"] += piece
                    out["times"].append(time.perf_counter())
                    if on_text and not on_text(out["times"][-1]):
                        break
        if not out["times"]:
            raise ProgramError(f"[server] {self.name} sent no text")
        out["first_s"] = out["times"][0] - begin
        return out

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def exit_with(main):
    """Ends the program with main's exit code; a ProgramError goes to stderr and gives 1."""
    try:
        sys.exit(main(sys.argv[1:]))
    except ProgramError as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
