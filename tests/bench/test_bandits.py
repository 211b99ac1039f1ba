"""Unit tests of bench/bandits: arguments, columns and what is said of rows that did not run. Nothing is measured here."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/bandits"))
sys.path.insert(0, str(ROOT / "bench/common"))
sys.dont_write_bytecode = True
import processes
import run


class Arguments(unittest.TestCase):
    def test_quick_takes_fewer_pairs(self):
        self.assertEqual(run.parse_arguments(["--quick", "--json"]).pairs, 3)
        self.assertEqual(run.parse_arguments([]).pairs, 7)
        self.assertEqual(run.parse_arguments(["--quick", "--pairs", "5"]).pairs, 5)

    def test_unknown_rows_and_counts_are_refused(self):
        for arguments in (["--rows", "nonsense"], ["--pairs", "-1"]):
            with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
                run.parse_arguments(arguments)
            self.assertTrue("update z5 vs numpy batched" in said.getvalue() or "at least 1" in said.getvalue())

    def test_a_missing_program_is_named(self):
        with self.assertRaisesRegex(processes.ProgramError, "bandits_bench"):
            run.Driver(run.parse_arguments(["--build", "/nonexistent"]))


class Columns(unittest.TestCase):
    def test_one_block_a_kind_of_size(self):
        def cost(size, value, ours, **more):
            return {"row": "cost", "size": size, "value": value, "ours": ours, **more}
        records = [{"row": "rules", "ours": 1.0}, cost("states", 2, 9.0, decide_us=0.25), cost("states", 5, 15.0, decide_us=0.3),
                   cost("arms", 5, None), cost("particles", 200, 90.0)]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
            self.assertEqual(run.columns(path), "2 9.000 0.2500\n5 15.000 0.3000\n\n\n200 90.000 0.0000\n")


class Pairs(unittest.TestCase):
    def test_the_ratio_is_that_of_pairs(self):
        options = run.parse_arguments(["--pairs", "3"])
        bench = run.Driver.__new__(run.Driver)
        bench.options, bench.version = options, "v"
        ours, peers = iter([30.0, 20.0, 40.0]), iter([10.0, 10.0, 10.0])
        with contextlib.redirect_stderr(io.StringIO()):
            record = bench.compare("row", "x/s", lambda: {"rate": next(ours), "isa": "avx2"}, lambda: {"speed": next(peers), "version": "P 1"}, "rate",
                                   "speed")
        self.assertEqual((record["ratio"], record["ours"], record["peer"], record["peer_version"]), (3.0, 30.0, 10.0, "P 1"))
        self.assertEqual(record["lower90"], 2.0)
        for key in ("row", "ours", "peer", "unit", "ratio", "lower90", "isa", "threads", "peer_version"):
            self.assertIn(key, record)


if __name__ == "__main__":
    unittest.main()
