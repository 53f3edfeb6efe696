"""The classifiers of nn/wrn.h and nn/resnet_cifar.h in PyTorch; tensors have the same names, without "backbone."."""

import torch.nn.functional as F
from torch import nn


def act(x, slope=0.0):
    return F.leaky_relu(x, slope)


class WideBlock(nn.Module):
    def __init__(self, stage, cin, cout, stride, variant):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(cin), nn.BatchNorm2d(cout)
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(cin, cout, 1, stride, bias=False) if cin != cout or stride != 1 else None
        opens = self.shortcut is not None and stage > 0
        self.raw_branch = opens and variant == "b"
        self.raw_skip = self.shortcut is None or (opens and variant != "c")

    def forward(self, x):
        a = x if self.raw_branch else act(self.bn1(x), 0.1)
        skip = x if self.raw_skip else a
        if self.shortcut is not None:
            skip = self.shortcut(skip)
        return skip + self.conv2(act(self.bn2(self.conv1(a)), 0.1))


class Wide(nn.Module):
    def __init__(self, depth, width, variant):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        cin = 16
        for stage in range(3):
            layers = []
            for i in range((depth - 4) // 6):
                cout = (16 << stage) * width
                layers.append(WideBlock(stage, cin, cout, 2 if stage and not i else 1, variant))
                cin = cout
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.bn1 = nn.BatchNorm2d(cin)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return act(self.bn1(x), 0.1).mean((2, 3))


class CifarBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(cout), nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.stride, self.pad = stride, (cout - cin) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(act(self.bn1(self.conv1(x)))))
        if self.stride != 1 or self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return act(y + x)


class Cifar(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        cin = 16
        for stage in range(3):
            layers = []
            for i in range((depth - 2) // 6):
                layers.append(CifarBlock(cin, 16 << stage, 2 if stage and not i else 1))
                cin = 16 << stage
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))

    def forward(self, x):
        x = act(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x))).mean((2, 3))
