"""What all rows of the generation benchmark share, and the peer's flags (docs/benchmarks.md says how they were chosen)."""

import tempfile
from pathlib import Path

import programs

PEER_FLAGS = {  # best of those tried; threads and sizes are added per row
    "llama-bench": [],
    "llama-batched-bench": [],
    "llama-server": ["-fit", "off", "--swa-full"],
    "speculation": ["-fit", "off", "--swa-full", "--spec-type", "ngram-simple"],
    "longest step": ["-fit", "off", "-b", "64", "-ub", "64"],
    "first token": ["--no-warmup", "-fit", "off", "-c", "512", "--no-repack"],
    "memory": ["--no-warmup", "-fit", "off", "-c", "8192", "--no-repack", "-b", "32", "-ub", "32"],
}


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

    def why_skipped(self):
        """A sentence if this build cannot do the row yet, else None."""

    def run_bench(self, arguments):
        c = self.context
        out = programs.run([c.bench, "--model", c.model, "--prompt-file", c.prompt_file, "--threads", c.threads, "--speculate", 0, *arguments])
        return programs.only_object(out, "generation_bench")

    def run_ours(self, arguments):
        self.facts = self.run_bench(arguments)
        return self.facts["tokens_per_second"]
