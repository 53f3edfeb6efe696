#!/usr/bin/env python3
"""SeMi's own interleaving and running centre on the golden steps of method.semi.authors_code.

    git clone https://github.com/pywin/SeMi
    python scripts/parity/semi_centre.py SeMi

interleave of train_semi.py and update_qbar of utils_sup/utils.py run unchanged; features are sliced as train_semi.py
slices them. Compared is the centre after every step. Not compared: the bank, whose features part from their confidences
in the released program, a known difference.
"""

import sys

import torch
import torch.nn.functional as F

import authors
from cissl_torch import DIM, STEPS, SeMi

REVISION, CASE, LIMIT = "32e3a71", "semi_authors", 1e-9


def main():
    clone, world = sys.argv[1], {"torch": torch}
    authors.check_revision(clone, REVISION)
    authors.take(clone, "train_semi.py", ["interleave"], world)
    authors.take(clone, "utils_sup/utils.py", ["update_qbar"], world)
    tensors, rows = authors.golden(), []
    qbar = torch.zeros(1, DIM, dtype=torch.float64)
    for t in range(STEPS):
        if t // SeMi.EPOCH > SeMi.WARMUP:
            batch = len(tensors[f"{CASE}.{t}.y"])
            features = world["interleave"](tensors[f"{CASE}.{t}.z"].double(), 4)
            weak = features[batch:2 * batch]
            q_out = F.softmax((torch.cat([weak, weak]) - qbar) / (SeMi.T_E / 5), dim=1)
            qbar = world["update_qbar"](qbar, q_out)
        rows.append((t, (qbar[0] - tensors[f"{CASE}.{t}.state.centre"]).abs().max().item()))
    authors.report("SeMi's centre", rows, LIMIT)


main()
