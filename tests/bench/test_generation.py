"""Unit tests of bench/generation: nothing is measured here."""

import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/generation"))
sys.path.insert(0, str(ROOT / "bench/common"))
sys.dont_write_bytecode = True
import compare_greedy
import machine
import pairs
import programs
import quality
import report
import rows
import run
import server_rows


def pair(ours=2.0, peer=1.0, before=1e10, after=1e10, load=0.0, steal=0.0):
    return pairs.Pair(ours, peer, before, after, load, steal)


class Statistics(unittest.TestCase):
    def test_median(self):
        self.assertEqual(pairs.median([3, 1, 2]), 2)
        self.assertEqual(pairs.median([4, 1, 2, 3]), 2.5)

    def test_reasons_to_drop(self):
        self.assertIsNone(pair(after=1.24e10).reason_to_drop())
        self.assertEqual(pair(after=1.26e10).reason_to_drop(), "bandwidth moved")
        self.assertEqual(pair(before=1.26e10).reason_to_drop(), "bandwidth moved")
        self.assertEqual(pair(before=0).reason_to_drop(), "bandwidth moved")
        self.assertEqual(pair(load=0.2).reason_to_drop(), "other processes")
        self.assertEqual(pair(steal=0.2).reason_to_drop(), "steal")

    def test_direction_of_the_ratio(self):
        self.assertEqual(pairs.ratio_of(pair(2, 1), smaller_is_better=False), 2)
        self.assertEqual(pairs.ratio_of(pair(2, 1), smaller_is_better=True), 0.5)

    def test_dropped_pairs_do_not_count(self):
        found = [pair(2), pair(2), pair(3), pair(100, load=1), pair(100, steal=1)]
        summary = pairs.summarise(found, False)
        self.assertEqual((summary["ratio"], summary["ours"], summary["pairs"], summary["dropped"]), (2, 2, 3, 2))
        self.assertEqual(summary["dropped_because"], {"other processes": 1, "steal": 1})
        self.assertFalse(summary["noisy"])

    def test_a_disturbed_row_has_no_ratio(self):
        summary = pairs.summarise([pair(2), pair(2), pair(9, load=1)], False)
        self.assertTrue(summary["noisy"])
        self.assertIsNone(summary["ratio"])
        self.assertIsNone(summary["lower90"])
        self.assertEqual(summary["noisy_ratio"], 2)
        self.assertEqual(pairs.summarise([pair(2)], False, min_kept=1)["ratio"], 2)
        with self.assertRaises(ValueError):
            pairs.summarise([], False)

    def test_ratio_is_the_median_of_ratios(self):  # not the ratio of medians (2 / 3)
        found = [pair(1, 1), pair(2, 8), pair(9, 3)]
        self.assertEqual(pairs.summarise(found, False)["ratio"], 1)

    def test_bootstrap_bound(self):
        self.assertEqual(pairs.lower_bound_90([1.5] * 15), 1.5)
        ratios = [1 + 0.01 * i for i in range(15)]
        bound = pairs.lower_bound_90(ratios)
        self.assertEqual(bound, pairs.lower_bound_90(ratios))  # fixed seed
        # Order statistics: P(median <= 4th of 15) = P(Binomial(15, 4/15) >= 8) = 3 %, 5th: 9 %. So the 5 % quantile is the 5th value.
        self.assertAlmostEqual(bound, 1.04, delta=0.0101)

    def test_bootstrap_covers_the_median_at_its_rate(self):
        import random
        generator = random.Random(5)
        below = sum(pairs.lower_bound_90([generator.gauss(1, 0.1) for _ in range(15)], draws=200) <= 1 for _ in range(300))
        self.assertGreater(below, 270)  # 95 % of 300 expected, 270 is 4 standard deviations below
        self.assertLess(below, 300)


class Machine(unittest.TestCase):
    def test_stat(self):
        busy, steal = machine.parse_stat("cpu  100 200 300 4000 50 6 7 80 9 10\ncpu0 1\n")
        self.assertAlmostEqual(busy, 613 / machine.TICKS)
        self.assertAlmostEqual(steal, 80 / machine.TICKS)
        for bad in ("", "intr 1 2 3", "cpu  1 2 3"):
            with self.assertRaises((ValueError, IndexError)):
                machine.parse_stat(bad)

    def test_process_time_with_a_hostile_name(self):
        line = "12 (a) b (c) S " + " ".join(str(i) for i in range(1, 40))
        self.assertAlmostEqual(machine.parse_process_time(line), (11 + 12 + 13 + 14) / machine.TICKS)

    def test_own_work_is_not_load_by_others(self):
        load = machine.Load().start()
        subprocess.run([sys.executable, "-c", "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.6: pass"], check=True)
        load.begin = (*load.begin[:2], load.begin[2], load.begin[3])
        busy, _, own, now = (after - before for after, before in zip(load._read(), load.begin))
        self.assertGreaterEqual(own, 0.6)
        self.assertGreaterEqual(busy, own - 0.1)


class Readers(unittest.TestCase):
    def test_llama_bench(self):
        self.assertEqual(programs.llama_bench_speed('{"avg_ts": 52.5, "n_gen": 128}\n'), 52.5)
        for bad in ("", "error: no model\n", '{"n_gen": 1}\n', '{"avg_ts": 1}\n{"avg_ts": 2}\n', "{broken\n"):
            with self.assertRaises(programs.ProgramError):
                programs.llama_bench_speed(bad)

    def test_batched_bench(self):
        self.assertEqual(programs.batched_bench_speed('noise\n{"pl": 8, "speed_tg": 99.5}\n', 8), 99.5)
        for bad in ("", '{"pl": 4, "speed_tg": 99.5}\n', '{"pl": 8}\n'):
            with self.assertRaises(programs.ProgramError):
                programs.batched_bench_speed(bad, 8)

    def test_programs_that_fail_are_named(self):
        with self.assertRaisesRegex(programs.ProgramError, "not here"):
            programs.run(["/nonexistent/program"])
        with self.assertRaisesRegex(programs.ProgramError, "code 3: why"):
            programs.run([sys.executable, "-c", "import sys; sys.stderr.write('why'); sys.exit(3)"])
        with self.assertRaises(programs.ProgramError):
            programs.first_byte_seconds([sys.executable, "-c", "pass"])
        with self.assertRaisesRegex(programs.ProgramError, "code 4"):
            programs.peak_memory_mib([sys.executable, "-c", "import sys; sys.exit(4)"])

    def test_first_byte_comes_before_the_end(self):
        seconds = programs.first_byte_seconds([sys.executable, "-c", "import time; print('x', flush=True); time.sleep(1.5)"])
        self.assertLess(seconds, 1.5)

    def test_peak_memory_counts_what_was_touched(self):
        code = "x = b'x' * (%d << 20)"
        smaller, larger = (programs.peak_memory_mib([sys.executable, "-c", code % size]) for size in (100, 200))
        self.assertAlmostEqual(larger - smaller, 100, delta=10)


class FakeServer(threading.Thread):
    """Answers every request with server-sent events, `pieces` of text and then the usage."""

    def __init__(self, pieces, path="/v1/completions"):
        super().__init__(daemon=True)
        outer = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                outer.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200 if self.path == path else 404)
                self.end_headers()
                for piece in pieces:
                    self.wfile.write(f"data: {json.dumps({'choices': [{'text': piece}]})}\n\n".encode())
                self.wfile.write(b'data: {"choices": [], "usage": {"completion_tokens": 9}}\n\ndata: [DONE]\n\n')

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.start()

    def run(self):
        self.server.serve_forever()

    def client(self):
        out = programs.Server.__new__(programs.Server)  # without a process
        out.name, out.port = "fake", self.server.server_port
        return out


class Streams(unittest.TestCase):
    def test_pieces_times_and_usage(self):
        server = FakeServer(["a", "", "b"])
        found = server.client().complete("prompt", 7)
        self.assertEqual((found["text"], len(found["times"]), found["usage"]), ("ab", 2, {"completion_tokens": 9}))
        self.assertEqual((server.asked[0]["prompt"], server.asked[0]["max_tokens"], server.asked[0]["temperature"]), ("prompt", 7, 0))
        self.assertGreaterEqual(found["first_s"], 0)
        self.assertEqual(server.client().complete("prompt", 7, lambda now: False)["text"], "a")  # left early

    def test_answers_without_text_and_refusals_are_named(self):
        with self.assertRaisesRegex(programs.ProgramError, "sent no text"):
            FakeServer([""]).client().complete("prompt", 7)
        with self.assertRaisesRegex(programs.ProgramError, "answered 404"):
            FakeServer(["a"]).client().chat([], 7)

    def test_longest_gap(self):
        self.assertAlmostEqual(server_rows.longest_gap([[0, 1, 5, 5.5], [0, 2, 3]], 1.5, 4), 4)    # 1 to 5 overlaps
        self.assertAlmostEqual(server_rows.longest_gap([[0, 9, 10, 10.5, 20]], 9.5, 10.2), 1)    # neither the first nor the last does
        self.assertIsNone(server_rows.longest_gap([[0, 1], []], 2, 3))

    def test_copying_prompt_ends_inside_its_copy(self):
        chapter = " ".join(f"word{i}" for i in range(100))
        prompt = server_rows.copying_prompt(chapter)
        self.assertIn(chapter, prompt)
        self.assertTrue(prompt.endswith("word38 word39"))


class Report(unittest.TestCase):
    RECORD = {"row": "decode 8", "ours": 280.04, "peer": 99.0, "unit": "tokens/s", "ratio": 2.828, "lower90": 2.7, "pairs": 15, "dropped": 2,
              "isa": "avx2", "threads": 2, "bandwidth_before": 1.6e10, "cpu": "C", "ours_version": "abc", "peer_version": "llama 1"}
    PAGE = "".join(f"{report.BEGIN.format(name=n)}\nold\n{report.END.format(name=n)}\n" for n in
                   ("generation machine", "generation rows", "generation profile"))

    def test_table_takes_the_last_record_and_names_what_is_missing(self):
        table = report.rows_table([{**self.RECORD, "ratio": 1.0}, self.RECORD, {**self.RECORD, "row": "memory", "ratio": None, "noisy": True}],
                                  ["decode 8", "decode 32", "memory"])
        self.assertIn("| `decode 8` | 280.0 | 99.0 | tokens/s | **2.83** | 2.70 | 15 (2) | avx2 | 16.0 |", table)
        self.assertIn("| `decode 32` | not run yet |", table)
        self.assertIn("| `memory` | too noisy |", table)
        skipped = {**self.RECORD, "ratio": None, "skipped": "why", "cpu": None}
        self.assertIn("| `decode 8` | not available yet |", report.rows_table([skipped], ["decode 8"]))
        self.assertIn("abc", report.machine_line([self.RECORD, skipped]))

    def test_rewrite_is_idempotent_and_keeps_the_rest(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text("before\n" + self.PAGE + "after\n")
            report.rewrite(page, [self.RECORD], ["decode 8"])
            once = page.read_text()
            report.rewrite(page, [self.RECORD], ["decode 8"])
            self.assertEqual(page.read_text(), once)
            self.assertTrue(once.startswith("before\n") and once.endswith("after\n"))
            self.assertNotIn("old", once)
            self.assertEqual(os.listdir(folder), ["page.md"])

    def test_bad_pages_and_files_are_named(self):
        for text in ("", self.PAGE + self.PAGE, report.END.format(name="generation rows") + report.BEGIN.format(name="generation rows")):
            with self.assertRaisesRegex(ValueError, "expected the marks"):
                report.replace_block(text, "generation rows", "x")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "f.jsonl"
            for bad in ("{\n", "{}\n[1]\n"):
                file.write_text(bad)
                with self.assertRaisesRegex(ValueError, "line [12]"):
                    report.read_records(file)

    def test_the_page_of_this_project_has_the_marks(self):
        text = (ROOT / "docs/benchmarks.md").read_text()
        for name in ("generation machine", "generation rows", "generation profile"):
            report.replace_block(text, name, "x")
        for name in rows.ROW_NAMES:
            self.assertIn(f"`{name}`", text)


class Comparison(unittest.TestCase):
    def test_equal_near_tie_and_different(self):
        self.assertEqual(compare_greedy.compare([1, 2, 3], [1, 2, 3], []), ("equal", 3, None))
        top = [[{"id": 1, "logprob": -0.1}], [{"id": 2, "logprob": -1.0}, {"id": 9, "logprob": -1.03}]]
        verdict, at, gap = compare_greedy.compare([1, 9], [1, 2], top)
        self.assertEqual((verdict, at), ("near tie", 1))
        self.assertAlmostEqual(gap, 0.03)
        top[1][1]["logprob"] = -2.0
        self.assertEqual(compare_greedy.compare([1, 9], [1, 2], top)[0], "different")
        self.assertEqual(compare_greedy.compare([1, 7], [1, 2], top)[0], "different")  # not even among the likeliest
        self.assertEqual(compare_greedy.compare([1], [1, 2], top)[0], "different")     # shorter


class Quality(unittest.TestCase):
    def test_gates(self):
        fast, exact = ({"perplexity": value, "scored": 10, "windows": 2} for value in (10.009, 10.0))
        first, second = quality.perplexity_gates(fast, exact, 10.0)
        self.assertTrue(first["holds"])
        self.assertTrue(second["holds"])
        fast["perplexity"] = 10.011
        self.assertEqual([gate["holds"] for gate in quality.perplexity_gates(fast, exact, 10.0)], [False, False])
        fast["perplexity"] = 9.9  # better than the peer's, yet far from the exact one
        self.assertEqual([gate["holds"] for gate in quality.perplexity_gates(fast, exact, 10.0)], [False, True])
        fast["perplexity"] = float("nan")
        self.assertEqual([gate["holds"] for gate in quality.perplexity_gates(fast, exact, 10.0)], [False, False])
        self.assertEqual(len(quality.perplexity_gates(fast, None, 10.0)), 1)

    def test_agreement(self):
        found = {key: 1 for key in ("prompts", "tokens", "rms_logit_error", "near_tie_below", "near_ties", "tokens_before_first_near_tie",
                                    "equal_tokens", "parted", "same_choice")}
        for early, other in ((0, 0), (1, 0), (0, 1)):
            gates = quality.agreement_gates({**found, "parted_before_near_tie": early, "other_choice_without_near_tie": other})
            self.assertEqual([gate["holds"] for gate in gates], [early == 0, other == 0])

    def test_audit_needs_audited_steps_and_no_miss(self):
        found = {"prompts": 16, "audits": 4096, "rows": 4096 * 262144, "misses": 0}
        self.assertTrue(quality.audit_gate(found)["holds"])
        self.assertFalse(quality.audit_gate({**found, "misses": 1})["holds"])
        self.assertFalse(quality.audit_gate({**found, "audits": 0})["holds"])

    def test_peer(self):
        self.assertEqual(quality.peer_perplexity("[1]9.1,\nFinal estimate: PPL = 12.3456 +/- 0.5\n"), 12.3456)
        for bad in ("", "PPL = 3", "Final estimate: PPL = 1.0 +/- 1\nFinal estimate: PPL = 1.0 +/- 1\n"):
            with self.assertRaises(programs.ProgramError):
                quality.peer_perplexity(bad)

    def test_text(self):
        text = quality.held_out_text()
        self.assertEqual(text, quality.held_out_text())
        self.assertGreater(len(text), 200000)
        self.assertFalse(text.endswith("\n"))


class CommandLine(unittest.TestCase):
    def test_defaults_and_refusals(self):
        self.assertEqual(run.parse_arguments(["--json"]).pairs, 15)
        self.assertEqual(run.parse_arguments(["--quick", "--json"]).pairs, 3)
        self.assertEqual(run.parse_arguments(["--quick", "--pairs", "7"]).pairs, 7)
        for bad in (["--pairs", "0"], ["--threads", "0"], ["--rows", "nothing"], ["--pairs", "x"], ["--unknown"]):
            with self.assertRaises(SystemExit), open(os.devnull, "w") as silent:
                stderr, sys.stderr = sys.stderr, silent
                try:
                    run.parse_arguments(bad)
                finally:
                    sys.stderr = stderr

    def test_missing_programs_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(programs.ProgramError, "attune; scripts/bench.sh builds it"):
                rows.Context(folder, folder, "model.gguf", 2)

    def test_other_benchmarks_are_not_there_yet(self):
        for name, code in (("serve", 2), ("training", 2), ("nonsense", 2), ("--help", 0)):
            done = subprocess.run(["bash", str(ROOT / "scripts/bench.sh"), name], capture_output=True, text=True)
            self.assertEqual(done.returncode, code, done.stderr)
        done = subprocess.run(["bash", str(ROOT / "scripts/bench.sh"), "serve"], capture_output=True, text=True)
        self.assertIn("not available yet", done.stderr)


if __name__ == "__main__":
    unittest.main()
