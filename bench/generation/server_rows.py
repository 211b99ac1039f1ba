"""Rows between two long-lived servers, Attune's and llama.cpp's, asked the same over HTTP."""

import os
import re
import tempfile
import threading
import time

import programs
from base import PEER_FLAGS, Row


class ServerRow(Row):
    """`servers` are ours and the peer's while the row is measured."""
    servers = ()
    store = None
    program = "llama-server"  # key of the peer's flags
    peer_size = ("-c", 4096, "-np", 1)

    def prepare(self):
        c = self.context
        ports = [programs.free_port(), programs.free_port()]
        self.store = tempfile.TemporaryDirectory()
        home = {**os.environ, "ATTUNE_HOME": self.store.name}  # no recommender, and no events in the user's store
        self.servers = [programs.Server("attune serve", [c.attune, "serve", "-m", c.model.resolve(), "-t", c.threads, "--port", ports[0]], ports[0],
                                        home)]
        self.servers.append(programs.Server("llama-server", [c.peer("llama-server"), "-m", c.model, "-t", c.threads, "--port", ports[1], *self.peer_size,
                                                             "--no-jinja", "--chat-template", "gemma", *PEER_FLAGS[self.program]], ports[1]))

    def own_pids(self):
        return [server.pid for server in self.servers]

    def measure(self, server):
        raise NotImplementedError

    def ours(self):
        return self.measure(self.servers[0])

    def peer(self):
        return self.measure(self.servers[1])

    def finish(self):
        for server in self.servers:
            server.close()
        self.servers = ()
        if self.store:
            self.store.cleanup()


class ChatTurn(ServerRow):
    """Each measurement is a new conversation: a turn of 2,000 tokens, then the time to the first text of the next turn."""
    name = "chat turn 2"
    unit = "s"
    smaller_is_better = True
    QUESTION = "Thank you. What did the man say about the neighbours, and why did he ask all of them?"

    def prepare(self):
        self.number = 0
        self.story = self.context.text_of(2000)
        super().prepare()

    def measure(self, server):
        self.number += 1
        messages = [{"role": "user", "content": f"{self.number:04d}. {self.story}"}]
        first = server.chat(messages, 8)
        messages += [{"role": "assistant", "content": first["text"].strip() or "..."}, {"role": "user", "content": self.QUESTION}]
        second = server.chat(messages, 4)
        tokens = [answer["usage"].get("prompt_tokens", 0) for answer in (first, second)]
        if not 1900 <= tokens[0] < tokens[1] <= 2300:
            raise programs.ProgramError(f"[chat turn 2] expected about 2,000 prompt tokens and then a few more, {server.name} counted {tokens}")
        self.facts[f"{server.name} usage"] = second["usage"]
        self.facts[f"{server.name} turn 1 s"] = first["first_s"]
        return second["first_s"]


def copying_prompt(chapter):
    """A text and the beginning of its second copy: the likeliest continuation repeats what stands in the prompt."""
    beginning = " ".join(chapter.split(" ")[:40])
    return f"The story:\n\n{chapter.strip()}\n\nThe same story once more, word for word:\n\n{beginning}"


class Speculation(ServerRow):
    """Greedy tokens a second, after the first, with drafts taken from the prompt: of a text that copies it, or of one that does not."""
    program = "speculation"
    PREDICT = 192

    def __init__(self, context, name, copies):
        super().__init__(context)
        self.name, self.copies = name, copies

    def why_skipped(self):
        help_text = programs.run([self.context.attune, "serve", "--help"])
        if re.search(r"--\S*(specul|lookup|draft)", help_text) is None:
            return "attune serve has no option on speculation yet"
        return None

    def prepare(self):
        chapter = self.context.prompt_file.read_text()
        self.prompt = copying_prompt(chapter) if self.copies else " ".join(chapter.split(" ")[:100])
        super().prepare()

    def measure(self, server):
        found = server.complete(self.prompt, self.PREDICT)
        tokens = found["usage"].get("completion_tokens", 0)
        if tokens < self.PREDICT // 2:
            raise programs.ProgramError(f"[{self.name}] expected {self.PREDICT} tokens, {server.name} generated {tokens}")
        self.facts[f"{server.name} tokens"] = tokens
        return (tokens - 1) / (found["times"][-1] - found["times"][0])


def longest_gap(streams, begin, end):
    """The longest time between consecutive moments of one stream, of those gaps that overlap [begin, end]. None without any."""
    gaps = [after - before for times in streams for before, after in zip(times, times[1:]) if after > begin and before < end]
    return max(gaps, default=None)


class LongestStep(ServerRow):
    """Four answers are being written when a prompt of 2,000 tokens arrives: the longest pause that one of their readers sees until its answer."""
    name = "longest step"
    unit = "s"
    smaller_is_better = True
    program = "longest step"
    peer_size = ("-c", 5 * 4096, "-np", 5)
    READERS = 4

    def prepare(self):
        self.number = 0
        self.long_prompt = self.context.text_of(2000)
        super().prepare()

    def ours(self):
        """Beside it, in a process of its own, the longest step of the engine itself."""
        found = self.run_bench(["--mode", "beside", "--sequences", self.READERS, "--prompt", 2000])
        self.facts["longest_step_ms"] = found["step_ms"]["max"]
        return super().ours()

    def measure(self, server):
        self.number += 1
        enough, leave = threading.Semaphore(0), threading.Event()
        streams, failures = [[] for _ in range(self.READERS)], []

        def read(index):
            def on_text(now):
                streams[index].append(now)
                if len(streams[index]) == 8:
                    enough.release()
                return not leave.is_set()
            try:
                server.complete(f"{self.number}, {index}. {self.context.prompt_file.read_text()[:400]}", 1500, on_text)
            except (programs.ProgramError, OSError) as error:
                failures.append(error)
                enough.release()

        threads = [threading.Thread(target=read, args=(index,)) for index in range(self.READERS)]
        for thread in threads:
            thread.start()
        for _ in threads:
            enough.acquire()
        begin = time.perf_counter()
        answer = server.complete(f"{self.number}. {self.long_prompt}", 1)
        end = time.perf_counter()
        time.sleep(0.3)  # the gap that the answer ends in is a gap too
        leave.set()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        tokens = answer["usage"].get("prompt_tokens", 0)
        if not 1900 <= tokens <= 2100:
            raise programs.ProgramError(f"[longest step] expected a prompt of about 2,000 tokens, {server.name} counted {tokens}")
        longest = longest_gap(streams, begin, end)
        if longest is None or min(times[-1] for times in streams) < end:
            raise programs.ProgramError(f"[longest step] an answer of {server.name} ended before the long prompt was computed")
        self.facts[f"{server.name} prompt s"] = end - begin
        self.facts[f"{server.name} tokens beside"] = sum(begin < now < end for times in streams for now in times)
        return longest
