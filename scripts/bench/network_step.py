"""One supervised training step of torchvision's ResNet-50, timed: the step of tests/bench/bench_network.c.

    network_step.py BATCH SIDE CLASSES STEPS [--device D] [--precision fp32|tf32|bf16] [--compile]

Prints one JSON object.
"""
import argparse
import json
import statistics
import time

import torch
import torchvision

import torch_device

WARMUP = 5


def main():
    p = argparse.ArgumentParser()
    for name in ["batch", "side", "classes", "steps"]:
        p.add_argument(name, type=int)
    p.add_argument("--compile", action="store_true", help="torch.compile the network")
    torch_device.add_options(p)
    a = p.parse_args()
    torch_device.set_up(a)
    model = torchvision.models.resnet50(num_classes=a.classes)
    model = model.to(a.device, memory_format=torch.channels_last).train()
    sgd = torch.optim.SGD(model.parameters(), 1e-3, 0.9, weight_decay=1e-4)
    network = torch.compile(model) if a.compile else model
    images = torch.rand(a.batch, 3, a.side, a.side).mul_(4).sub_(2).contiguous(memory_format=torch.channels_last)
    labels = (torch.arange(a.batch) % a.classes).to(a.device)
    if a.device != "cpu":
        images = images.pin_memory()
    times = []
    for step in range(WARMUP + a.steps):
        torch_device.wait(a)
        t = time.perf_counter()
        x = images.to(a.device, non_blocking=True)  # part of our step too
        with torch_device.autocast(a):
            loss = torch.nn.functional.cross_entropy(network(x), labels)
        sgd.zero_grad(set_to_none=True)
        loss.backward()
        sgd.step()
        torch_device.wait(a)
        if step >= WARMUP:
            times.append((time.perf_counter() - t) * 1e3)
    print(json.dumps({"torch": torch.__version__, "parameters": sum(q.numel() for q in model.parameters()),
                      "median_ms": statistics.median(times), "min_ms": min(times)}))


if __name__ == "__main__":
    main()
