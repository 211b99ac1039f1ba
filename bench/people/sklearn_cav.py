#!/usr/bin/env python3
"""The peer of the row `cav`: a loop over scikit-learn's logistic regression on the examples that `people_bench --mode cav` wrote.

Run by the interpreter that has scikit-learn; prints one line of JSON. Measures how alike the directions of both sides are. BLAS has one thread:
on problems of 600 x 64 more of them only wait for each other.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

POSITIVE = 150


def fit(features, labels, cross_validate):
    """The settings of ours: balanced classes, an unpenalised intercept, the same values of C, five folds, the same tolerance."""
    common = {"class_weight": "balanced", "tol": 1e-4, "max_iter": 1000}
    if cross_validate:
        return LogisticRegressionCV(Cs=numpy.logspace(-4, 4, 10), cv=5, scoring="accuracy", **common).fit(features, labels)
    return LogisticRegression(C=1.0, **common).fit(features, labels)


def measure(options):
    items = numpy.fromfile(options.data / "cav_items.f32", dtype=numpy.float32).reshape(-1, options.rank)
    rows = numpy.fromfile(options.data / "cav_rows.i32", dtype=numpy.int32).reshape(options.cavs, -1)
    ours = numpy.fromfile(options.data / "cav_w.f32", dtype=numpy.float32).reshape(options.cavs, options.rank)
    labels = (numpy.arange(rows.shape[1]) < POSITIVE).astype(int)
    count = min(options.count, options.cavs)
    cosines, seconds, processor = [], 0.0, 0.0
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", FutureWarning)
    for n in range(count):
        begin, begin_processor = time.perf_counter(), time.process_time()
        model = fit(items[rows[n]], labels, options.cross_validate)
        seconds += time.perf_counter() - begin
        processor += time.process_time() - begin_processor
        theirs = model.coef_[0]
        cosines.append(float(theirs @ ours[n] / (numpy.linalg.norm(theirs) * numpy.linalg.norm(ours[n]))))
    return {"mode": "cav", "cavs": count, "seconds": seconds * options.cavs / count, "processor_seconds": processor * options.cavs / count,
             "cross_validate": options.cross_validate,
            "least_cosine": min(cosines), "median_cosine": float(numpy.median(cosines)), "version": f"scikit-learn {sklearn.__version__}"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--cavs", type=int, default=1000, help="attributes in the folder")
    parser.add_argument("--count", type=int, default=1000, help="attributes to fit; the seconds are scaled to all")
    parser.add_argument("--cross-validate", action="store_true")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
