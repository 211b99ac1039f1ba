"""The rows of the generation benchmark: what is measured on either side, and the peer's flags (docs/benchmarks.md says how they were chosen)."""

import os
import tempfile
from pathlib import Path

import programs

PEER_FLAGS = {  # best of those tried; threads and sizes are added per row
    "llama-bench": [],
    "llama-batched-bench": [],
    "llama-server": ["-fit", "off", "--swa-full"],
    "first token": ["--no-warmup", "-fit", "off", "-c", "512", "--no-repack"],
    "memory": ["--no-warmup", "-fit", "off", "-c", "8192", "--no-repack", "-b", "32", "-ub", "32"],
}
GEMMA_SAMPLER = ["--temperature", "1", "--top-k", "64", "--top-p", "0.95"]
GREEDY = ["--temperature", "0"]
FULL = ["--temperature", "1", "--top-k", "0", "--top-p", "1"]


class Context:
    """Paths and settings that all rows share."""

    def __init__(self, root, build, model, threads):
        self.root, self.model, self.threads = Path(root), Path(model), threads
        self.attune = Path(build) / "attune"
        self.bench = Path(build) / "bench/generation_bench"
        self.peers = self.root / "build/peers/llama.cpp"
        self.prompt_file = self.root / "bench/generation/prompt.txt"
        for path, remedy in ((self.attune, "scripts/bench.sh builds it"), (self.bench, "scripts/bench.sh builds it"),
                             (self.model, "scripts/bootstrap.sh fetches it"), (self.peers / "VERSION", "bench/generation/build_llama.sh makes it")):
            if not path.exists():
                raise programs.ProgramError(f"[bench] expected {path}; {remedy}")
        self.peer_version = (self.peers / "VERSION").read_text().strip()

    def peer(self, name):
        return self.peers / "bin" / name

    def count_tokens(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            return len(programs.only_object(programs.run([self.attune, "tokenize", "-m", self.model, "-f", file.name, "--json"]), "tokenize")["ids"])

    def text_of(self, tokens, number=0):
        """About `tokens` tokens (at most 2 % less) of English; different from the first words on for each number."""
        chapter = self.prompt_file.read_text()
        words = []
        index = 0
        while len(words) < tokens:
            words += f"Volume {number}, chapter {index}. {chapter}".split(" ")
            index += 1
        count = tokens
        while True:
            text = " ".join(words[:count])
            found = self.count_tokens(text)
            if tokens * 0.98 <= found <= tokens:
                return text
            count = min(len(words), int(count * tokens * 0.99 / found))


class Row:
    """One row: `ours` and `peer` measure once and return a figure in `unit`."""
    name = ""
    unit = "tokens/s"
    smaller_is_better = False
    pairs_divisor = 1  # rows whose figure hardly varies need fewer pairs

    def __init__(self, context):
        self.context = context
        self.facts = {}  # of our latest run: isa, bytes_per_step, ...

    def prepare(self):
        """Work before the first pair."""

    def own_pids(self):
        return []

    def finish(self):
        """Ends what prepare() started."""

    def run_ours(self, arguments):
        c = self.context
        out = programs.run([c.bench, "--model", c.model, "--prompt-file", c.prompt_file, "--threads", c.threads, *arguments])
        self.facts = programs.only_object(out, "generation_bench")
        return self.facts["tokens_per_second"]


class Decode(Row):
    """Fresh process a measurement. Ours samples; the peer's programs do not, which favours the peer."""

    def __init__(self, context, name, sequences, prompt, predict, sampler):
        super().__init__(context)
        self.name, self.sequences, self.prompt, self.predict, self.sampler = name, sequences, prompt, predict, sampler

    def ours(self):
        return self.run_ours(["--mode", "decode", "--sequences", self.sequences, "--prompt", self.prompt, "--predict", self.predict, *self.sampler])

    def peer(self):
        c = self.context
        if self.sequences == 1:
            return programs.llama_bench_speed(programs.run(
                [c.peer("llama-bench"), "-m", c.model, "-t", c.threads, "-p", 0, "-n", self.predict, "-d", self.prompt, "-r", 1, "-o", "jsonl",
                 *PEER_FLAGS["llama-bench"]]))
        positions = self.sequences * (self.prompt + self.predict)
        return programs.batched_bench_speed(programs.run(
            [c.peer("llama-batched-bench"), "-m", c.model, "-t", c.threads, "-c", positions, "-npp", self.prompt, "-ntg", self.predict,
             "-npl", self.sequences, "-pps", "--output-format", "jsonl", *PEER_FLAGS["llama-batched-bench"]]), self.sequences)


class Prefill(Row):
    """Fresh process a measurement, each with a warm-up pass of the same length."""
    name = "prefill 512"

    def ours(self):
        return self.run_ours(["--mode", "prefill", "--prompt", 512])

    def peer(self):
        c = self.context
        return programs.llama_bench_speed(programs.run([c.peer("llama-bench"), "-m", c.model, "-t", c.threads, "-p", 512, "-n", 0, "-r", 1,
                                                        "-o", "jsonl", *PEER_FLAGS["llama-bench"]]))


class ChatTurn(Row):
    """Two long-lived servers. Each measurement is a new conversation: a turn of 2,000 tokens, then the time to the first text of the next turn."""
    name = "chat turn 2"
    unit = "s"
    smaller_is_better = True
    servers = ()
    store = None
    QUESTION = "Thank you. What did the man say about the neighbours, and why did he ask all of them?"

    def prepare(self):
        c = self.context
        self.number = 0
        self.story = c.text_of(2000)
        ports = [programs.free_port(), programs.free_port()]
        self.store = tempfile.TemporaryDirectory()
        home = {**os.environ, "ATTUNE_HOME": self.store.name}  # no recommender, and no events in the user's store
        self.servers = [programs.Server("attune serve", [c.attune, "serve", "-m", c.model.resolve(), "-t", c.threads, "--port", ports[0]], ports[0],
                                        home)]
        self.servers.append(programs.Server("llama-server", [c.peer("llama-server"), "-m", c.model, "-t", c.threads, "--port", ports[1], "-c", 4096,
                                                             "-np", 1, "--no-jinja", "--chat-template", "gemma", *PEER_FLAGS["llama-server"]], ports[1]))

    def own_pids(self):
        return [server.pid for server in self.servers]

    def turn(self, server):
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

    def ours(self):
        return self.turn(self.servers[0])

    def peer(self):
        return self.turn(self.servers[1])

    def finish(self):
        for server in self.servers:
            server.close()
        self.servers = ()
        if self.store:
            self.store.cleanup()


class FirstToken(Row):
    """Fresh process: from its start to the first byte of generated text on stdout, the model file in the page cache."""
    name = "first token"
    unit = "s"
    smaller_is_better = True
    PROMPT = "The capital of France is"

    def prepare(self):
        self.ours()
        self.peer()

    def ours(self):
        c = self.context
        return programs.first_byte_seconds([c.attune, "generate", "-m", c.model, "-t", c.threads, "-p", self.PROMPT, "-n", 1, "--greedy"])

    def peer(self):
        c = self.context
        return programs.first_byte_seconds([c.peer("llama-completion"), "-m", c.model, "-t", c.threads, "-p", self.PROMPT, "-n", 1, "--temp", 0,
                                            "-no-cnv", "--no-display-prompt", "--simple-io", *PEER_FLAGS["first token"]])


class Memory(Row):
    """Fresh process: peak resident memory with a context of 8,192 filled with about 8,000 tokens."""
    name = "memory"
    unit = "MiB"
    smaller_is_better = True
    pairs_divisor = 5

    def prepare(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".txt")
        self.file.write(self.context.text_of(8000))
        self.file.flush()

    def ours(self):
        c = self.context
        return programs.peak_memory_mib([c.attune, "generate", "-m", c.model, "-t", c.threads, "-f", self.file.name, "-n", 4, "--greedy"])

    def peer(self):
        c = self.context
        return programs.peak_memory_mib([c.peer("llama-completion"), "-m", c.model, "-t", c.threads, "-f", self.file.name, "-n", 4, "--temp", 0,
                                         "-no-cnv", "--no-display-prompt", *PEER_FLAGS["memory"]])

    def finish(self):
        self.file.close()


def all_rows(context):
    return [
        Decode(context, "decode 1 greedy", 1, 16, 128, GREEDY),
        Decode(context, "decode 1 top-k 64", 1, 16, 128, GEMMA_SAMPLER),
        Decode(context, "decode 1 full", 1, 16, 128, FULL),
        Decode(context, "decode 8", 8, 128, 64, GEMMA_SAMPLER),
        Decode(context, "decode 32", 32, 128, 64, GEMMA_SAMPLER),
        Prefill(context),
        ChatTurn(context),
        FirstToken(context),
        Memory(context),
    ]


ROW_NAMES = ["decode 1 greedy", "decode 1 top-k 64", "decode 1 full", "decode 8", "decode 32", "prefill 512", "chat turn 2", "first token", "memory"]


def profile(context, sequences):
    """Where a decode step's time and bytes go."""
    c = context
    return programs.only_object(programs.run([c.bench, "--mode", "profile", "--model", c.model, "--prompt-file", c.prompt_file, "--threads", c.threads,
                                              "--sequences", sequences, "--prompt", 128, "--predict", 32]), "profile")
