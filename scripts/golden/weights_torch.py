#!/usr/bin/env python3
"""Files of weights as PyTorch and NumPy write them, and what they hold, for test_interop_weight_file.

    python3 scripts/golden/weights_torch.py tests/golden/weights     # needs torch and numpy

Written: zip.pth, legacy.pth (the same object in both containers), protocol2.pkl, protocol4.pkl (NumPy arrays, as in
detectron2's model zoo), module.pth (a whole module, which is not read), hostile.pkl (a command instead of weights), and
*.safetensors with the tensors that reading the files must give, dense, in the types of the file.
"""
import argparse
import collections
import os
import pickle
import struct
import sys

import numpy as np
import torch

TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
         torch.int64: "I64", torch.int32: "I32", torch.uint8: "U8"}


def write_safetensors(path, tensors):
    import json
    header, body = {}, b""
    for name, t in tensors.items():
        t = t.contiguous()
        raw = t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def flatten(value, path=()):
    out = {}
    if isinstance(value, (torch.Tensor, np.ndarray)):
        t = value.detach() if isinstance(value, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(value))
        out[".".join(path)] = t
    elif isinstance(value, dict):
        for k, v in value.items():
            out.update(flatten(v, path + (str(k),)))
    elif isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            out.update(flatten(v, path + (str(i),)))
    return out


def checkpoint():
    g = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=g)
    base = draw(6, 4)
    state = collections.OrderedDict()
    state["conv1.weight"] = torch.nn.Parameter(draw(4, 3, 3, 3))
    state["conv1.bias"] = draw(4).half()
    state["bn1.running_var"] = draw(4).double()
    state["bn1.num_batches_tracked"] = torch.tensor(17)
    state["fc.weight"] = draw(2, 5).bfloat16()
    state["slice"] = base[2:4]
    state["transposed"] = base.t()
    state["strided"] = base[:, ::2]
    state["empty"] = torch.zeros(0, 3)
    state["scalar"] = torch.tensor(2.5)
    state["permuted"] = draw(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    model = torch.nn.Linear(2, 2)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 2)).sum().backward()
    sgd.step()
    return {"state_dict": state, "meta": {"epoch": 12, "CLASSES": ("a", "b"), "note": None, "time": 1.5},
            "args": argparse.Namespace(lr=0.1), "optimizer": sgd.state_dict()}


def zoo():
    g = np.random.default_rng(4)
    return {"model": {"backbone.stem.conv1.weight": g.normal(size=(2, 3, 2, 2)).astype(np.float32),
                      "fortran": np.asfortranarray(g.normal(size=(3, 2)).astype(np.float32)),
                      "half": g.normal(size=5).astype(np.float16), "int": np.arange(-3, 3, dtype=np.int64),
                      "names": np.array(["a", "b"])},
            "__author__": "x", "matching_heuristics": True}


class Hostile:
    def __reduce__(self):
        return os.system, ("touch HOSTILE",)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    at = lambda name: os.path.join(folder, name)
    torch.manual_seed(1)
    object_ = checkpoint()
    torch.save(object_, at("zip.pth"))
    torch.save(object_, at("legacy.pth"), _use_new_zipfile_serialization=False)
    write_safetensors(at("torch.safetensors"), flatten({k: v for k, v in object_.items() if k != "args"}))
    arrays = zoo()
    for protocol in (2, 4):
        with open(at(f"protocol{protocol}.pkl"), "wb") as f:
            pickle.dump(arrays, f, protocol=protocol)
    arrays["model"].pop("names")
    write_safetensors(at("arrays.safetensors"), flatten(arrays))
    torch.save(torch.nn.Linear(2, 2), at("module.pth"))
    with open(at("hostile.pkl"), "wb") as f:
        pickle.dump({"weight": Hostile()}, f, protocol=2)


main()
