"""Unit tests of bench/people: tables, arguments and what is said of rows that did not run. Nothing is measured here."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/people"))
sys.path.insert(0, str(ROOT / "bench/common"))
sys.dont_write_bytecode = True
import people_report
import run

WALS = {"row": "wals cg", "unit": "s/epoch", "ratings": 25000095, "users": 162541, "items": 59047, "rank": 64, "ours": 4.0, "peer": 10.0,
        "ratio": 2.5, "lower90": 2.4, "epochs": 3, "load": 0.1, "pairs": 5, "dropped": 1, "ours_loss": 0.00492228, "peer_loss": 0.00492228, "ours_peak_bytes": 500 << 20,
        "peer_peak_bytes": 900 << 20, "memory_ratio": 1.15, "cpu": "A", "isa": "avx2", "threads": 2, "ours_version": "abc", "peer_version": "implicit 1"}


def cost(ratings, ours):
    return {"row": "cost", "ratings": ratings, "users": 10, "items": 20, "ours": ours, "ours_cholesky": 2 * ours, "peer": 3 * ours,
            "ours_peak_bytes": 1 << 20, "peer_peak_bytes": 2 << 20}


class Tables(unittest.TestCase):
    def test_rows(self):
        table = people_report.rows_table([dict(WALS, ratio=9), WALS, {"row": "wals cholesky", "ratio": None, "noisy": True},
                                          {"row": "cav", "ratio": None, "skipped": "not run: why"}])
        self.assertIn("| `wals cg` | 25,000,095 ratings | 4.000 | 10.0 | s/epoch | **2.50** | 2.40 | 5 (1) | 0.10 |", table)
        self.assertIn("| 500, 900 | 1.15 |", table)
        self.assertIn("| `wals cholesky` | too noisy |", table)
        self.assertIn("| `cav` | not run: why |", table)
        self.assertEqual(people_report.rows_table([]).count("not run yet"), 4)
        self.assertIn("| `wals cg` | failed |", people_report.rows_table([{"row": "wals cg", "error": "x"}]))
        cav = {"row": "cav", "unit": "s", "cavs": 1000, "examples": 600, "ours": 0.5, "peer": 10, "ratio": 20, "lower90": 19, "pairs": 3, "dropped": 0,
               "load": 0.05, "least_cosine": 0.99, "median_cosine": 0.999999, "limit": 1.5}
        self.assertIn("| `cav` | 1,000 CAVs, 600 examples each |", people_report.rows_table([cav]))
        self.assertIn("median cosine 0.999999, least 0.9900", people_report.rows_table([cav]))
        self.assertIn("| `cav` | 0.500 | s | 1.5 |", people_report.limits_table([cav]))

    def test_limits(self):
        table = people_report.limits_table([{"row": "update", "ours": 109.4, "unit": "us", "limit": 1000}])
        self.assertIn("| `update` | 109.4 | us | 1000 |", table)
        self.assertIn("| `ml-100k` | not run yet |", table)

    def test_costs_are_sorted_and_the_last_of_a_size_counts(self):
        records = [cost(1000000, 0.2), cost(100000, 0.5), cost(100000, 0.02), {"row": "cost", "ours": None, "error": "x"}]
        self.assertEqual(people_report.columns(records).splitlines()[1:], ["100000 0.02 0.04 0.06", "1000000 0.2 0.4 0.6"])
        self.assertIn("| 100,000 | 10 | 20 | 0.020 | 0.040 | 0.060 | 1, 2 | 0.00 |", people_report.cost_table(records))
        self.assertIn("not run yet", people_report.cost_table([]))

    def test_the_page_has_the_marks(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text((ROOT / "docs/benchmarks.md").read_text())
            people_report.rewrite(page, [WALS, cost(100000, 0.02)])
            self.assertIn("**2.50**", page.read_text())
            self.assertIn("A, avx2, 2 threads; Attune abc; implicit 1.", page.read_text())
            page.write_text("no marks")
            with self.assertRaises(ValueError):
                people_report.rewrite(page, [WALS])
            self.assertEqual(page.read_text(), "no marks")


class Arguments(unittest.TestCase):
    def test_quick_and_full(self):
        quick, full = run.parse_arguments(["--quick", "--json"]), run.parse_arguments([])
        self.assertEqual((quick.ratings, quick.pairs, quick.sizes), (1000000, 3, [100000, 1000000]))
        self.assertEqual((full.ratings, full.pairs, full.sizes[-1]), (25000095, 5, 25000095))

    def test_disturbed_pairs_are_kept_on_request(self):
        kept = run.parse_arguments(["--keep-disturbed"])
        self.assertEqual(kept.wait_quiet, 0)
        disturbed = [run.pairs.Pair(1.0, ratio, 1e9, 1e9, 2.0, 0.0) for ratio in (2, 3, 4)]
        self.assertIsNone(run.pairs.summarise(disturbed, True)["ratio"])
        summary = run.pairs.summarise(disturbed, True, keep_disturbed=True)
        self.assertEqual((summary["ratio"], summary["pairs"], summary["disturbed"], summary["load"]), (3, 3, 3, 2.0))

    def test_bad_arguments(self):
        for bad in (["--rows", "none"], ["--pairs", "-1"], ["--threads", "0"], ["--ratings", "10"], ["--what"]):
            with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit) as ended:
                run.parse_arguments(bad)
            self.assertEqual(ended.exception.code, 2)

    def test_what_is_missing_is_named(self):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            self.assertEqual(run.main(["--build", "/nonexistent"]), 1)
        self.assertIn("people_bench", said.getvalue())

    def test_columns_of_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write(json.dumps(cost(2000, 1)) + "\n")
            file.flush()
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                self.assertEqual(run.main(["--columns", file.name]), 0)
            self.assertEqual(out.getvalue().splitlines()[-1], "2000 1 2 3")
            file.write("{broken\n")
            file.flush()
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                self.assertEqual(run.main(["--columns", file.name]), 1)
            self.assertIn("line 2", said.getvalue())


if __name__ == "__main__":
    unittest.main()
