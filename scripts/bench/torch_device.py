"""Where and how precisely the PyTorch side of a comparison computes: --device and --precision."""
import contextlib

import torch


def add_options(parser):
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="fp32",
                        help="bf16 is autocast; tf32 and bf16 are for GPUs")


def set_up(a):
    torch.manual_seed(1)
    fast = a.precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = fast
    torch.backends.cudnn.allow_tf32 = fast
    torch.backends.cudnn.benchmark = a.device != "cpu"  # the best common setting: choose by timing


def autocast(a):
    if a.precision == "bf16":
        return torch.autocast(torch.device(a.device).type, torch.bfloat16)
    return contextlib.nullcontext()


def wait(a):
    if a.device != "cpu":
        torch.cuda.synchronize(a.device)
