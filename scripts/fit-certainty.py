#!/usr/bin/env python3
"""Fits how sure the built-in engine is of its readings by phrases.

    pgask eval --suite DIR --server URL --config all.toml --json answers.jsonl
    scripts/fit-certainty.py answers.jsonl [more.jsonl ...] > src/synth/builtin/phrase/certainty.toml

where all.toml sets min_confidence = 0 for the built-in engine, so that every reading is answered and judged. A logistic
regression of "the answer was exact" on the evidence of each answer. What it would be worth on databases that it has never
seen is printed on standard error: it is fitted on nine tenths of the databases and tried on the others, ten times.
"""

import json
import math
import re
import sys
import zlib
from pathlib import Path

WEIGHTS = Path(__file__).resolve().parent.parent / "src/synth/builtin/phrase/certainty.toml"
FOLDS = 10
STEPS = 1500
RATE = 0.5
RIDGE = 0.002


def read(paths):
    """The names of the features, and (database, features, right) of each answer that has any."""
    rows = []
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                answer = json.loads(line)
                if answer.get("evidence") and answer.get("answerable", True):
                    rows.append((answer["db"], answer["evidence"], answer["verdict"] == "exact"))
    names = [m.group(1) for m in re.finditer(r"^(\w+) = ", WEIGHTS.read_text().split("[weights]")[1], re.M)]
    return names, [(db, [seen[name] for name in names], right) for db, seen, right in rows]


def fit(rows):
    """The weights, by gradient ascent over standardised features; the first one is the constant."""
    count, size = len(rows), len(rows[0][1])
    mean = [sum(x[i] for _, x, _ in rows) / count for i in range(size)]
    spread = [
        max(math.sqrt(sum((x[i] - mean[i]) ** 2 for _, x, _ in rows) / count), 1e-6) for i in range(size)
    ]
    mean[0], spread[0] = 0.0, 1.0
    scaled = [([(x[i] - mean[i]) / spread[i] for i in range(size)], float(right)) for _, x, right in rows]
    weights = [0.0] * size
    for _ in range(STEPS):
        slope = [0.0] * size
        for x, right in scaled:
            miss = right - 1 / (1 + math.exp(-sum(map(lambda a, b: a * b, weights, x))))
            for i in range(size):
                slope[i] += miss * x[i]
        for i in range(size):
            weights[i] += RATE * (slope[i] / count - (RIDGE * weights[i] if i else 0.0))
    plain = [w / s for w, s in zip(weights, spread)]
    plain[0] = weights[0] - sum(weights[i] * mean[i] / spread[i] for i in range(1, size))
    return plain


def certainty(weights, x):
    return 1 / (1 + math.exp(-sum(w * v for w, v in zip(weights, x))))


def held_out(rows):
    """(certainty, right) of each answer, by weights fitted on other databases."""
    tried = []
    for fold in range(FOLDS):
        mine = [r for r in rows if zlib.crc32(r[0].encode()) % FOLDS == fold]
        others = [r for r in rows if zlib.crc32(r[0].encode()) % FOLDS != fold]
        if mine and others:
            weights = fit(others)
            tried += [(certainty(weights, x), right) for _, x, right in mine]
    return sorted(tried, reverse=True)


def main():
    names, rows = read(sys.argv[1:])
    if not rows:
        sys.exit("no answer has any evidence: expected JSON lines of pgask eval")
    tried = held_out(rows)
    print(f"{len(rows)} answers; on databases left out:", file=sys.stderr)
    for share in range(40, 101, 10):
        kept = tried[: max(len(tried) * share // 100, 1)]
        right = sum(right for _, right in kept)
        print(
            f"  the surest {share:3} %: floor {kept[-1][0]:.2f}, precision {right / len(kept):.3f}, "
            f"exact of all {right / len(tried):.3f}",
            file=sys.stderr,
        )
    text = WEIGHTS.read_text()
    for name, weight in zip(names, fit(rows)):
        text = re.sub(rf"^{name} = .*$", f"{name} = {weight:.3f}", text, flags=re.M)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
