"""The rows of the generation benchmark: what is measured on either side."""

import tempfile

import programs
from base import PEER_FLAGS, Context, Row
from server_rows import ChatTurn, LongestStep, Speculation

GEMMA_SAMPLER = ["--temperature", "1", "--top-k", "64", "--top-p", "0.95"]
GREEDY = ["--temperature", "0"]
FULL = ["--temperature", "1", "--top-k", "0", "--top-p", "1"]


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
        Speculation(context, "speculation copy", copies=True),
        Speculation(context, "speculation plain", copies=False),
        LongestStep(context),
    ]


ROW_NAMES = ["decode 1 greedy", "decode 1 top-k 64", "decode 1 full", "decode 8", "decode 32", "prefill 512", "chat turn 2", "first token", "memory",
             "speculation copy", "speculation plain", "longest step"]


def profile(context, sequences):
    """Where a decode step's time and bytes go."""
    c = context
    return programs.only_object(programs.run([c.bench, "--mode", "profile", "--model", c.model, "--prompt-file", c.prompt_file, "--threads", c.threads, "--speculate", 0,
                                              "--sequences", sequences, "--prompt", 128, "--predict", 32]), "profile")
