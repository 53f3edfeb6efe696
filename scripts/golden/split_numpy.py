"""Labelled images of STAC's and Soft Teacher's draws, by NumPy's own generator.

One line a case: images, percent, seed, labelled images, sum of their indices, sum of squares modulo 2^31,
the eight smallest indices.

    python3 scripts/golden/split_numpy.py > tests/golden/split_numpy.txt
"""
import numpy as np

CASES = [(400, 10.0, 1), (400, 29.0, 5), (1000, 0.5, 3), (118287, 1.0, 1), (118287, 5.0, 2), (118287, 10.0, 1),
         (118287, 10.0, 5)]

for n, percent, seed in CASES:
    np.random.seed(seed)
    chosen = np.random.choice(range(n), size=int(percent / 100.0 * n), replace=False)
    chosen = np.sort(chosen.astype(np.int64))
    print(n, percent, seed, len(chosen), chosen.sum(), (chosen * chosen).sum() % 2**31,
          *chosen[:8])
