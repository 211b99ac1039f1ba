#!/usr/bin/env python3
"""The peer of the rows `wals ...`: the Python package `implicit` on the arrays that `people_bench --mode generate` wrote.

Run by the interpreter that has implicit, numpy and scipy; prints one line of JSON. BLAS has one thread, as implicit asks for.
"""

import argparse
import json
import os
import resource
import statistics
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import implicit
import numpy
import scipy.sparse
from implicit.cpu import _als
from implicit.cpu.als import AlternatingLeastSquares


def load(folder):
    offsets = numpy.fromfile(folder / "offsets.i64", dtype=numpy.int64)
    items = numpy.fromfile(folder / "items.i32", dtype=numpy.int32)
    ratings = numpy.fromfile(folder / "ratings.f32", dtype=numpy.float32)
    return scipy.sparse.csr_matrix((ratings, items, offsets.astype(numpy.int32)), shape=(len(offsets) - 1, int(items.max()) + 1))


def measure(options):
    matrix = load(options.data)
    model = AlternatingLeastSquares(factors=options.rank, regularization=options.regularization, use_cg=options.solver == "cg",
                                    iterations=options.epochs, num_threads=options.threads)
    model.user_factors = numpy.fromfile(options.data / "start_users.f32", dtype=numpy.float32).reshape(-1, options.rank)
    model.item_factors = numpy.fromfile(options.data / "start_items.f32", dtype=numpy.float32).reshape(-1, options.rank)
    seconds = []
    begin = time.perf_counter()
    model.fit(matrix, show_progress=False, callback=lambda _epoch, elapsed, _loss: seconds.append(elapsed))
    total = time.perf_counter() - begin
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    record = {"mode": "als", "solver": options.solver, "ratings": matrix.nnz, "users": matrix.shape[0], "items": matrix.shape[1],
              "rank": options.rank, "threads": options.threads, "epochs": options.epochs, "epoch_seconds": seconds,
              "median_epoch_seconds": statistics.median(seconds), "build_seconds": total - sum(seconds), "peak_bytes": peak,
              "version": f"implicit {implicit.__version__}"}
    if options.loss:
        record["loss"] = float(_als.calculate_loss(matrix, model.user_factors, model.item_factors, options.regularization,
                                                   num_threads=options.threads))
    return record


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--solver", choices=["cg", "cholesky"], default="cg")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--regularization", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-loss", dest="loss", action="store_false")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
