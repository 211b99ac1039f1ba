"""The machine during a measurement: load by other processes, steal, read bandwidth, and waiting for a quiet minute."""

import json
import os
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")


def parse_stat(text):
    """(busy, steal) seconds of all processors since the start, from /proc/stat. Busy leaves out idle, waiting and steal."""
    fields = text.split("\n", 1)[0].split()
    if fields[0] != "cpu" or len(fields) < 9:
        raise ValueError(f"[machine] expected the line 'cpu ...' of /proc/stat, found '{text[:40]}'")
    user, nice, system, _idle, _wait, irq, soft, steal = (int(value) / TICKS for value in fields[1:9])
    return user + nice + system + irq + soft, steal


def parse_process_time(text):
    """User and system seconds of a process and its reaped children, from /proc/PID/stat."""
    fields = text.rsplit(")", 1)[1].split()
    return sum(int(value) for value in fields[11:15]) / TICKS


class Load:
    """Processor time used by others between start() and stop(): everything but this process, its children and the given ones."""

    def __init__(self, own_pids=()):
        self.own_pids = list(own_pids)

    def _own(self):
        times = os.times()
        total = times.user + times.system + times.children_user + times.children_system
        for pid in self.own_pids:
            try:
                with open(f"/proc/{pid}/stat") as file:
                    total += parse_process_time(file.read())
            except FileNotFoundError:
                pass
        return total

    def _read(self):
        with open("/proc/stat") as file:
            busy, steal = parse_stat(file.read())
        return busy, steal, self._own(), time.monotonic()

    def start(self):
        self.begin = self._read()
        return self

    def stop(self):
        """(cores that others kept busy, cores stolen), averages since start()."""
        busy, steal, own, now = (after - before for after, before in zip(self._read(), self.begin))
        return max(0.0, busy - own) / now, steal / now


def wait_quiet(own_pids, threshold, limit_s, window_s=1.0, say=None):
    """Waits until others use less than `threshold` cores. Returns whether that happened within limit_s; says so when it has to wait."""
    deadline = time.monotonic() + limit_s
    told = False
    while True:
        load = Load(own_pids).start()
        time.sleep(window_s)
        others, _ = load.stop()
        if others < threshold:
            return True
        if time.monotonic() > deadline:
            if say:
                say(f"still {others:.2f} cores busy with other work after {limit_s} s: measuring anyway, expect dropped pairs")
            return False
        if say and not told:
            say(f"waiting: other processes keep {others:.2f} cores busy (limit {threshold})")
            told = True


class BandwidthProbe:
    """A generation_bench --mode probe that lives as long as the driver."""

    def __init__(self, executable, threads):
        self.process = subprocess.Popen([executable, "--mode", "probe", "--threads", str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    @property
    def pid(self):
        return self.process.pid

    def read(self):
        """Bytes a second now."""
        self.process.stdin.write("probe\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"[bandwidth] {self.process.args[0]} ended with code {self.process.wait()}")
        return json.loads(line)["read_bytes_per_second"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def note(text):
    print(text, file=sys.stderr, flush=True)
