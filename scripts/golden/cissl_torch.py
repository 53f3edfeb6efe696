#!/usr/bin/env python3
"""Writes tests/golden/cissl_torch.safetensors: several consecutive steps of FixMatch and its plug-ins.

    python scripts/golden/cissl_torch.py tests/golden/cissl_torch.safetensors

Every algorithm is written here from its equations, in PyTorch with automatic differentiation and fp64, apart from the
C code. A case feeds random features and head outputs (rounded to fp32) of a few steps and records each step's losses,
the gradients of the total loss with respect to every input, and the state left behind. Random masks use
the same counter-based generator (Philox4x32-10), written here anew. tests/golden/test_ssl_cissl.c reads the file.
"""

import json
import math
import struct
import sys

import torch
import torch.nn.functional as F

D = torch.float64
K, DIM, PROJ = 5, 6, 3           # classes, feature length, projection length
COUNTS = [40, 20, 10, 4, 2]      # labelled images a class
N_LABELLED, N_UNLABELLED = 12, 20
B_L, B_U, STEPS, TOTAL = 5, 6, 8, 16
SEED = 77

tensors = {}


def put(name, value, dtype=torch.float32):
    value = value.detach() if torch.is_tensor(value) else torch.tensor(value, dtype=dtype)
    tensors[name] = value.to(dtype).contiguous()


def write(path):
    header, offset = {}, 0
    names = {torch.float32: "F32", torch.float64: "F64", torch.int32: "I32"}
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [offset, offset + size]}
        offset += size
    header["__metadata__"] = {"torch": torch.__version__}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.numpy().tobytes())


# ---- counter-based random numbers ----------------------------------------------------------------------------------
M32, M64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & M32, (a >> 32) ^ c[3] ^ k[1], a & M32]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return c


def mix(x):
    x = (x + 0x9E3779B97F4A7C15) & M64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & M64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & M64
    return x ^ (x >> 31)


def uniform(stream, step, sample):
    s = mix(mix(mix(stream) ^ step) ^ sample)
    word = philox([0, 0, s & M32, s >> 32], [SEED & M32, SEED >> 32])[0]
    return (word >> 8) * 2.0 ** -24


assert philox([0] * 4, [0] * 2)[0] == 0x6627E8D5  # Random123's known answer


# ---- common pieces --------------------------------------------------------------------------------------------------
def prior():
    c = torch.tensor(COUNTS, dtype=D)
    return c / c.sum()


def log_prior():
    return torch.log(prior() + 1e-12)


def soft_ce(target, logits):
    """Per row H(target, softmax(logits))."""
    return -(target * F.log_softmax(logits, 1)).sum(1)


def views_mean(per_row_of_view, views):
    """Mean over images and views, always over the full batch."""
    return sum(per_row_of_view(v).sum() for v in range(views)) / (B_U * views)


class Step:
    """Inputs of one step: rows are b_l labelled, weak, strong 1 (, strong 2)."""

    def __init__(self, generator, views, t, b_l):
        rows, self.views, self.t, self.b_l = b_l + B_U * (1 + views), views, t, b_l
        self.y = torch.randint(0, K, (b_l,), generator=generator)
        self.labelled_index = torch.randint(0, N_LABELLED, (b_l,), generator=generator)
        self.unlabelled_index = torch.randint(0, N_UNLABELLED, (B_U,), generator=generator)

        def make(n, cols, scale):
            return (torch.randn(n, cols, generator=generator, dtype=D) * scale).float().to(D)

        self.leaves = {"z": make(rows, DIM, 1.0), "f": make(rows, K, 2.5), "g": make(rows, K, 2.5),
                       "h": make(rows, PROJ, 1.0)}
        # The views of an image resemble each other, so that the rejection masks vary.
        hidden = torch.randn(B_U, K, generator=generator, dtype=D) * 2
        for v in range(1 + views):
            sl = slice(b_l + v * B_U, b_l + (v + 1) * B_U)
            for name in ("f", "g"):
                self.leaves[name][sl] = (self.leaves[name][sl] * 0.4 + hidden).float().to(D)
        self.ema_z = make(b_l, DIM, 1.0)
        for x in self.leaves.values():
            x.requires_grad_(True)

    def labelled(self, name):
        return self.leaves[name][:self.b_l]

    def weak(self, name):
        return self.leaves[name][self.b_l:self.b_l + B_U]

    def strong(self, name, v):
        first = self.b_l + (1 + v) * B_U
        return self.leaves[name][first:first + B_U]


def run(case, method, views, seed=0, b_l=B_L):
    """Feeds STEPS steps to `method` and records everything."""
    generator = torch.Generator().manual_seed(sum(map(ord, case)) + seed)
    put(f"{case}.views", [views], torch.int32)
    put(f"{case}.labelled", [b_l], torch.int32)
    for t in range(STEPS):
        s = Step(generator, views, t, b_l)
        p = f"{case}.{t}"
        for name in method.uses:
            put(f"{p}.{name}", s.leaves[name])
        if "z" in method.uses:
            put(f"{p}.ema_z", s.ema_z)
        put(f"{p}.y", s.y, torch.int32)
        put(f"{p}.labelled_index", s.labelled_index, torch.int32)
        put(f"{p}.unlabelled_index", s.unlabelled_index, torch.int32)
        losses = method.step(s)
        total = sum(losses.values())
        total.backward()
        for name, value in losses.items():
            put(f"{p}.loss.{name}", value.reshape(1), D)
        for name, x in s.leaves.items():
            assert name in method.uses or x.grad is None
            if x.grad is not None:
                put(f"{p}.d{name}", x.grad)
        method.after()
        for name, value in method.state().items():
            put(f"{p}.state.{name}", value, D)


# ---- FixMatch (Sohn et al., NeurIPS 2020), logit adjustment on the labelled loss, distribution alignment ------------
class FixMatch:
    uses = "f"

    def __init__(self, tau=0.6, la=0.0, align=False):
        self.tau, self.la = tau, la
        self.rows = [] if align else None

    def supervised(self, s):
        return F.cross_entropy(s.labelled("f") + self.la * log_prior(), s.y)

    def predict(self, s):
        q = F.softmax(s.weak("f").detach(), 1)
        if self.rows is not None:
            self.rows = (self.rows + [q])[-3:]  # a queue of three batches
            q = q * (prior() + 1e-6) / (torch.stack([r.mean(0) for r in self.rows]).mean(0) + 1e-6)
            q = q / q.sum(1, keepdim=True)
        return q

    def unsupervised(self, s, q):
        top, label = q.max(1)
        mask = (top >= self.tau).to(D)
        return views_mean(lambda v: mask * F.cross_entropy(s.strong("f", v), label, reduction="none"), s.views)

    def step(self, s):
        return {"sup": self.supervised(s), "unsup": self.unsupervised(s, self.predict(s))}

    def after(self):
        pass

    def state(self):
        return {}


# ---- ABC (Lee et al., NeurIPS 2021) ---------------------------------------------------------------------------------
class ABC:
    """Losses of the auxiliary head g; blend: DASO's way of changing its pseudo-labels."""

    def __init__(self, tau=0.6, hard=False):
        self.tau, self.hard = tau, hard
        self.rate = [min(COUNTS) / c for c in COUNTS]

    def losses(self, s, blend=lambda q: q):
        progress = s.t / TOTAL
        keep = torch.tensor([float(uniform(1, s.t, i) < self.rate[c]) for i, c in enumerate(s.y.tolist())], dtype=D)
        sup = (keep * F.cross_entropy(s.labelled("g"), s.y, reduction="none")).mean()
        q = blend(F.softmax(s.weak("g").detach(), 1))
        top, label = q.max(1)
        draw = [float(uniform(2, s.t, j) < 1 - progress * (1 - self.rate[c])) for j, c in enumerate(label.tolist())]
        mask = torch.tensor(draw, dtype=D) * (top >= self.tau).to(D)
        target = F.one_hot(label, K).to(D) if self.hard else q
        # One mean a strong view; the authors add them up (total = labelled + view 1 + view 2).
        unsup = sum((mask * soft_ce(target, s.strong("g", v))).mean() for v in range(s.views))
        return {"abc_sup": sup, "abc_unsup": unsup}


class FixMatchABC(FixMatch):
    uses = "fg"

    def __init__(self, hard=False, **kw):
        super().__init__(**kw)
        self.abc = ABC(self.tau, hard)

    def step(self, s):
        return super().step(s) | self.abc.losses(s)


# ---- DASO (Oh et al., CVPR 2022) ------------------------------------------------------------------------------------
class DASO(FixMatch):
    QUEUE, T_PROTO, WINDOW, PRETRAIN = 3, 0.4, 2, 3
    uses = "zfg"

    def __init__(self, t_dist, abc=False, **kw):
        super().__init__(**kw)
        self.t_dist = t_dist
        self.queue = [[] for _ in range(K)]
        self.counts, self.open, self.seen = torch.zeros(K, dtype=D), torch.zeros(K, dtype=D), 0
        self.abc = ABC(self.tau) if abc else None

    def semantic(self, z, prototypes):
        return F.cosine_similarity(z[:, None], prototypes[None], dim=2) / self.T_PROTO

    def step(self, s):
        for feature, y in zip(s.ema_z, s.y.tolist()):
            self.queue[y] = (self.queue[y] + [feature])[-self.QUEUE:]
        ready = all(self.queue)
        active = s.t >= self.PRETRAIN and ready
        p, blend, losses = self.predict(s), lambda q: q, {}
        if active:
            prototypes = torch.stack([torch.stack(q).mean(0) for q in self.queue])
            semantic = F.softmax(self.semantic(s.weak("z").detach(), prototypes), 1)
            v = torch.zeros(K, dtype=D)
            if self.counts.sum() > 0:
                m = self.counts ** (1 / self.t_dist)
                m = m / m.sum()
                v = m / m.max()

            def blend(q):
                share = v[q.argmax(1)][:, None]
                return (1 - share) * q + share * semantic

            losses["align"] = views_mean(
                lambda view: soft_ce(semantic, self.semantic(s.strong("z", view), prototypes)), s.views)
        p = blend(p)
        self.open = self.open + torch.bincount(p.argmax(1), minlength=K)
        losses = {"sup": self.supervised(s), "unsup": self.unsupervised(s, p)} | losses
        if self.abc:
            losses |= self.abc.losses(s, blend)
        return losses

    def after(self):
        self.seen += 1
        if self.seen % self.WINDOW == 0:
            self.counts, self.open = self.open, torch.zeros(K, dtype=D)

    def state(self):
        rows = [torch.stack(q).mean(0) if q else torch.zeros(DIM, dtype=D) for q in self.queue]
        return {"prototypes": torch.stack(rows), "counts": self.counts}


# ---- SeMi (arXiv 2501.06004) ----------------------------------------------------------------------------------------
class SeMi:
    TAU, T_B, S, KAPPA, T_P, T_E, EA, MOMENTUM = 0.5, 2.0, 0.75, 3.0, 0.2, 0.5, 0.15, 0.9
    SLOTS, BETA, EVERY, EPOCH, WARMUP = 2, 0.7, 2, 2, 0  # epochs of two steps, decay after every second
    uses = "zfg"

    def __init__(self, authors_code=False):
        self.authors_code = authors_code
        self.bank = [[] for _ in range(K)]  # lists of [confidence, feature]
        self.counts, self.w = torch.zeros(K, dtype=D), torch.ones(K, dtype=D)
        self.centre = torch.zeros(DIM, dtype=D)
        self.alone = torch.zeros(2)  # how often one half of the mask decides: both must be exercised

    def push(self, features, labels, confidence, mask):
        for z, c, conf, keep in zip(features, labels.tolist(), confidence.tolist(), mask.tolist()):
            if not keep:
                continue
            slots = self.bank[c]
            if len(slots) < self.SLOTS:
                slots.append([conf, z])
                continue
            low = min(range(self.SLOTS), key=lambda j: slots[j][0])
            if conf > slots[low][0]:
                slots[low] = [conf, z]

    def features(self, s):
        """Of the weak and the strong views. The authors' program calls interleave(x, size) = reshape([-1, size])
        .transpose(0, 1).reshape on the rows before its forward pass, its inverse on the logits, and on features nothing.
        """
        z = s.leaves["z"]
        if self.authors_code:
            size = (1 + s.views) * B_U // s.b_l + 1
            z = z.reshape(-1, size, DIM).transpose(0, 1).reshape(-1, DIM)
        return z[s.b_l:].chunk(1 + s.views)

    def prototypes(self):
        return [torch.stack([z for _, z in slots]).mean(0) if slots else None for slots in self.bank]

    def step(self, s):
        epoch, it = s.t // self.EPOCH, s.t % self.EPOCH
        self.it = it
        past = epoch > self.WARMUP
        lp = log_prior()
        weak, *strong = self.features(s)
        losses = {"sup": F.cross_entropy(s.labelled("f"), s.y),
                  "balanced_sup": F.cross_entropy(s.labelled("g") + self.T_B * lp, s.y)}
        qhat = F.softmax(s.weak("f").detach(), 1)
        q = qhat.clone()
        if past:
            v = self.KAPPA * epoch / (TOTAL // self.EPOCH)
            known = [k for k, c in enumerate(self.prototypes()) if c is not None]
            c = torch.stack([self.prototypes()[k] for k in known])
            distance = (strong[0].detach()[:, None] - c[None]).norm(dim=2)
            qtil = F.softmax(-distance / self.T_P, 1)
            for j, k in enumerate(known):
                q[:, k] = (1 - v * self.w[k]) * qhat[:, k] + v * self.w[k] * qtil[:, j]
        conf, label = q.max(1)
        mixed, raw = conf >= self.TAU, qhat.max(1).values >= self.TAU
        mask = mixed | raw
        self.alone += torch.tensor([(mixed & ~raw).sum(), (raw & ~mixed).sum()])
        adjusted = F.softmax(s.weak("f").detach() - self.T_B * lp, 1)
        label_b = adjusted.argmax(1)
        mask_b = (adjusted.max(1).values >= self.TAU) | (F.softmax(s.weak("g").detach(), 1).max(1).values >= self.TAU)
        self.counts = self.counts + torch.bincount(label[mask], minlength=K)
        if it == self.EPOCH - 1:
            self.w = self.counts / self.counts.sum()
        for v in range(s.views):
            self.push(strong[v].detach(), label, conf, mask)
        weight = torch.ones(B_U, dtype=D)
        if past:
            p = q.clamp(1e-8, 1 - 1e-8)
            weight = self.S * -(p * p.log()).sum(1) / math.log(K) + 1 - self.S
            e = weak.detach()
            teacher = F.softmax((e - self.centre) / (self.T_E / 5), 1)
            rejected = (~mask).to(D)
            losses["embedding"] = self.EA * views_mean(
                lambda v: rejected * soft_ce(teacher, strong[v] / self.T_E), s.views)
            # train_semi.py: qbar follows the mean of q_out, which is the teacher's softmax, not of the embeddings.
            self.centre = self.MOMENTUM * self.centre + (1 - self.MOMENTUM) * teacher.mean(0)
        losses["unsup"] = views_mean(
            lambda v: mask * weight * F.cross_entropy(s.strong("f", v), label, reduction="none"), s.views)
        losses["balanced_unsup"] = views_mean(
            lambda v: mask_b * F.cross_entropy(s.strong("g", v), label_b, reduction="none"), s.views)
        return losses

    def after(self):
        if (self.it + 1) % self.EVERY == 0:
            for slots in self.bank:
                for entry in slots:
                    entry[0] *= self.BETA

    def state(self):
        rows = [c if c is not None else torch.zeros(DIM, dtype=D) for c in self.prototypes()]
        confidence = [sorted(e[0] for e in slots) + [0.0] * (self.SLOTS - len(slots)) for slots in self.bank]
        return {"prototypes": torch.stack(rows), "confidence": confidence, "counts": self.counts, "w": self.w,
                "centre": self.centre}


# ---- BaCon (Feng et al., AAAI 2024), on ABC with hard labels --------------------------------------------------------
class BaCon(FixMatchABC):
    ACCEPT, RELIABLE, TOP, START = 0.6, 0.5, 3, 2  # labels above, features above, top classes, first step with the loss
    TAU0, ETA, T_NEG, SCALE, EPS = 0.1, 0.5, 0.1, 64.0, 1e-8
    uses = "fgh"

    def __init__(self):
        super().__init__(hard=True)
        n = N_LABELLED + N_UNLABELLED
        self.features = torch.full((n, PROJ), float("nan"), dtype=D)
        self.label = torch.full((n,), -1, dtype=torch.long)

    def centre(self, c):
        member = (self.label == c) & ~self.features[:, 0].isnan()
        return self.features[member].mean(0) if member.any() else None

    def contrast(self, s, y, p, reliable):
        e = torch.cat([s.labelled("h"), s.weak("h")])
        n_c = torch.bincount(self.label[self.label >= 0], minlength=K).to(D)
        ratio = n_c / n_c.max() if n_c.max() > 0 else n_c
        tau = self.TAU0 * (1 - (1 - s.t / TOTAL) ** 2 * self.ETA * ratio.sqrt())
        cosine = F.cosine_similarity(e[:, None], e[None], dim=2)
        total, count = torch.zeros((), dtype=D), torch.zeros((), dtype=D)
        for c in range(K):
            members = [i for i in range(len(y)) if y[i] == c]
            negatives = [i for i in range(B_L) if y[i] != c]
            negatives += [B_L + j for j in range(B_U) if c not in p[B_L + j].topk(self.TOP).indices]
            centre = self.centre(c)
            if not members or not negatives or centre is None:
                continue
            negbar = torch.exp(cosine[members][:, negatives] / self.T_NEG).mean()
            for i in members:
                if not reliable[i]:
                    continue
                pos = torch.exp(F.cosine_similarity(e[i], centre, dim=0) / tau[c])
                total = total - torch.log(pos / (pos + self.SCALE * negbar + self.EPS))
                count = count + 1
        return total / (count + 1e-8)

    def step(self, s):
        losses = super().step(s)
        p = F.softmax(torch.cat([s.labelled("g"), s.weak("g")]).detach(), 1)
        top, guess = p.max(1)
        y = torch.cat([s.y, guess[B_L:]])
        reliable = top >= self.RELIABLE
        if s.t > self.START:
            losses["contrast"] = self.contrast(s, y, p, reliable)
        rows = torch.cat([s.labelled_index, N_LABELLED + s.unlabelled_index]).tolist()
        h = torch.cat([s.labelled("h"), s.weak("h")]).detach()
        for i, row in enumerate(rows):
            if i < B_L or top[i] >= self.ACCEPT:
                self.label[row] = y[i]
            if reliable[i]:
                self.features[row] = h[i]
        return losses

    def state(self):
        rows = [self.centre(c) for c in range(K)]
        rows = [r if r is not None else torch.zeros(PROJ, dtype=D) for r in rows]
        return {"centres": torch.stack(rows),
                "counts": torch.bincount(self.label[self.label >= 0], minlength=K)}


# ---- FlexMatch (Zhang et al., NeurIPS 2021) -------------------------------------------------------------------------
class Thresholds(FixMatch):
    """FixMatch whose unlabelled loss weighs every image by `weights`."""

    def unsupervised(self, s, q):
        top, label = q.max(1)
        self.weight = self.weights(s, q, top, label)
        return views_mean(lambda v: self.weight * F.cross_entropy(s.strong("f", v), label, reduction="none"), s.views)


class FlexMatch(Thresholds):
    def __init__(self, warmup):
        super().__init__()
        self.warmup, self.memory, self.beta = warmup, [-1] * N_UNLABELLED, torch.zeros(K, dtype=D)

    def weights(self, s, q, top, label):
        mask = (top >= self.tau * (self.beta / (2 - self.beta))[label]).to(D)
        for j, image in enumerate(s.unlabelled_index.tolist()):
            if top[j] >= self.tau:
                self.memory[image] = label[j].item()
        bins = torch.tensor([self.memory.count(c) for c in range(-1, K)], dtype=D)
        if bins.max() < N_UNLABELLED:
            self.beta = bins[1:] / (bins.max() if self.warmup else bins[1:].max())
        return mask

    def state(self):
        return {"beta": self.beta}


# ---- FreeMatch (Wang et al., ICLR 2023) -----------------------------------------------------------------------------
class FreeMatch(Thresholds):
    DECAY, FAIRNESS = 0.8, 0.3

    def __init__(self, quantile=None, clip=1.0):
        super().__init__()
        self.quantile, self.clip = quantile, clip
        self.a = torch.tensor(1 / K, dtype=D)
        self.p, self.h = (torch.full((K,), 1 / K, dtype=D) for _ in range(2))

    def weights(self, s, q, top, label):
        def follow(old, new):
            return self.DECAY * old + (1 - self.DECAY) * new

        self.a = follow(self.a, top.quantile(self.quantile) if self.quantile else top.mean()).clamp(max=self.clip)
        self.p = follow(self.p, q.mean(0))
        self.h = follow(self.h, torch.bincount(label, minlength=K) / len(label))
        return (top >= self.a * self.p[label] / self.p.max()).to(D)

    @staticmethod
    def norm(a, b):
        r = torch.where(b > 0, a / torch.where(b > 0, b, torch.ones_like(b)), torch.zeros_like(a))
        return r / r.sum()

    def fairness(self, s, v):
        strong = F.softmax(s.strong("f", v)[self.weight > 0], 1)
        if len(strong) == 0:
            return torch.zeros((), dtype=D)
        hist = torch.bincount(strong.argmax(1), minlength=K) / len(strong)
        return (self.norm(self.p, self.h) * torch.log(self.norm(strong.mean(0), hist) + 1e-12)).sum()

    def step(self, s):
        losses = super().step(s)
        return losses | {"fairness": self.FAIRNESS * sum(self.fairness(s, v) for v in range(s.views)) / s.views}

    def state(self):
        return {"means": torch.cat([self.a[None], self.p, self.h])}


# ---- SoftMatch (Chen et al., ICLR 2023) -----------------------------------------------------------------------------
class SoftMatch(Thresholds):
    DECAY, N_SIGMA = 0.7, 2

    def __init__(self):
        super().__init__()
        self.mu, self.var, self.model = torch.tensor(1 / K, dtype=D), torch.ones((), dtype=D), None

    def weights(self, s, q, top, label):
        mean = q.mean(0)
        self.model = mean if self.model is None else self.DECAY * self.model + (1 - self.DECAY) * mean
        aligned = q * (1 / K + 1e-6) / (self.model + 1e-6)
        confidence = (aligned / aligned.sum(1, keepdim=True)).max(1).values
        self.mu = self.DECAY * self.mu + (1 - self.DECAY) * confidence.mean()
        self.var = self.DECAY * self.var + (1 - self.DECAY) * confidence.var()
        return torch.exp(-(confidence - self.mu).clamp(max=0) ** 2 / (2 * self.var / self.N_SIGMA ** 2))

    def state(self):
        return {"moments": torch.stack([self.mu, self.var])}


# ---- DARP (Kim et al., NeurIPS 2020) --------------------------------------------------------------------------------
class DARP(FixMatch):
    """estimates: by iteration, the unlabelled class counts as they are believed to be then, None = unknown. The first
    that is known from the start on is the one that refinements aim at."""
    EVERY, ALPHA, ROUNDS = 2, 2, 10

    def __init__(self, start=3, estimates=None):
        super().__init__()
        self.start, self.estimates = start, estimates
        self.done = False
        self.raw = torch.full((N_UNLABELLED, K), 1 / K, dtype=D)
        self.refined = torch.zeros(N_UNLABELLED, K, dtype=D)
        self.target = None if estimates else prior() * N_UNLABELLED

    def solve(self):
        p = torch.zeros_like(self.raw)
        for k in range(K):
            keep = self.raw[:, k].argsort(descending=True, stable=True)[:int(self.ALPHA * self.target[k])]
            p[keep, k] = self.raw[keep, k] * (self.target[k] + 1e-6) / (self.raw[keep, k].sum() + 1e-6)
        p = p + 1e-6
        p = p / p.sum(1, keepdim=True)
        w = 1 / (-(p * torch.log(p + 1e-6)).sum(1)).clamp(min=1e-6)
        a, y = p / math.e, torch.exp(-1 / w)[:, None].expand(-1, K).clone()
        for _ in range(self.ROUNDS):
            x = 1 / (a * y).sum(1)
            for k in range(K):
                low, high = -500.0, 500.0  # by bisection: the sum falls in nu
                for _ in range(200):
                    nu = (low + high) / 2
                    if (a[:, k] * x * torch.exp(-nu / w)).sum() > self.target[k]:
                        low = nu
                    else:
                        high = nu
                y[:, k] = torch.exp(-nu / w)
        self.refined = a * y / (a * y).sum(1, keepdim=True)

    def predict(self, s):
        q = super().predict(s)
        for j, image in enumerate(s.unlabelled_index.tolist()):
            self.raw[image] = q[j]
        if s.t < self.start:
            return q
        if self.target is None and self.estimates[s.t]:
            counts = torch.tensor(self.estimates[s.t], dtype=D)
            self.target = counts / counts.sum() * N_UNLABELLED
        if self.target is None:
            return q
        if not self.done or (s.t - self.start) % self.EVERY == 0:
            self.solve()
            self.done = True
        return self.refined[s.unlabelled_index]

    def state(self):
        return {"refined": self.refined}


def main():
    run("fixmatch", FixMatch(), 1)
    run("fixmatch_two_la", FixMatch(la=1.0), 2)
    run("fixmatch_align", FixMatch(align=True), 1)
    run("abc", FixMatchABC(), 2)
    run("abc_authors", FixMatchABC(tau=0.95), 2, seed=5, b_l=6)  # as their program is: its batches and threshold
    run("abc_hard", FixMatchABC(hard=True), 1)
    run("daso", DASO(1.5), 1)
    run("daso_la", DASO(0.3, la=1.0), 2)
    run("daso_abc", DASO(1.5, abc=True), 1)
    semi = SeMi()
    run("semi", semi, 2, seed=2)
    assert (semi.alone > 0).all(), semi.alone
    run("semi_authors", SeMi(authors_code=True), 2, seed=2, b_l=6)  # the program slices by the labelled batch: mu = 1
    run("bacon", BaCon(), 1)
    run("flexmatch", FlexMatch(True), 1)
    run("flexmatch_classes", FlexMatch(False), 2)
    run("freematch", FreeMatch(), 1)
    run("freematch_quantile", FreeMatch(0.8, 0.5), 2)
    run("softmatch", SoftMatch(), 2)
    run("darp", DARP(), 1)
    first, later = [8.0, 6.0, 8.0, 9.0, 9.0], [30.0, 4.0, 3.0, 2.0, 1.0]
    run("darp_estimate", DARP(2, [None] * 3 + [first] + [later] * 4), 1)
    write(sys.argv[1])


if __name__ == "__main__":
    main()
