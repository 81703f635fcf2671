"""The transformer of `mlops.predictors.recommend.sequence` in torch, to be learnt. Needs the extra `sequence`.

Written with functions over named tensors, so that what is learnt is what is exported, name by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from mlops.predictors.recommend.sequence import FORBIDDEN, GAPS, NORM_EPSILON, blocks
from mlops.predictors.recommend.signals import Floats
from mlops.training.recommend.histories import Lesson

DIMENSION, HEADS, BLOCKS, DROPOUT = 64, 2, 1, 0.2
RATE, WEIGHT_DECAY, LARGEST_GRADIENT = 5e-3, 1e-4, 5.0
# Weights are averaged over this share of a pass.
AVERAGED = 0.5
# Orders to be told in one step of the optimiser.
STEP = 256
# Up to here every item is an alternative; beyond, so many drawn ones are.
MOST_FULL, DRAWN = 5_000, 1_000
DRAWN_EXPONENT = 0.75
# An order counts as much as the root of the number of its items.
ORDER_EXPONENT = 0.5


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch with one thread and deterministic algorithms, as it was before afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def drawn(n_items: int, n_shares: int, longest: int, seed: int, d: int = DIMENSION) -> dict[str, Floats]:
    """Weights to begin with, as `SequenceModel` names them."""
    generator = np.random.default_rng([seed, n_items])

    def normal(*shape: int, spread: float) -> Floats:
        return np.asarray(generator.standard_normal(shape, np.float32) * np.float32(spread))

    weights = {
        "items": normal(n_items, d, spread=d**-0.5),
        "bias": np.zeros(n_items, np.float32),
        "shares": np.full(n_shares, 1 / max(n_shares, 1), np.float32),
        "gaps": normal(GAPS, d, spread=0.02),
        "lags": np.zeros((HEADS, longest), np.float32),
        "end.gain": np.ones(d, np.float32),
        "end.shift": np.zeros(d, np.float32),
    }
    for block in range(BLOCKS):
        for norm in ("first", "second"):
            weights[f"{block}.{norm}.gain"] = np.ones(d, np.float32)
            weights[f"{block}.{norm}.shift"] = np.zeros(d, np.float32)
        for name, rows, columns in (
            ("mixed", d, 3 * d),
            ("joined", d, d),
            ("wide", d, 2 * d),
            ("narrow", 2 * d, d),
        ):
            weights[f"{block}.{name}"] = normal(rows, columns, spread=rows**-0.5)
        weights[f"{block}.wide.shift"] = np.zeros(2 * d, np.float32)
        weights[f"{block}.narrow.shift"] = np.zeros(d, np.float32)
    return weights


class Network:
    """Weights that learn."""

    def __init__(self, weights: Mapping[str, Floats], seed: int, *, most_full: int = MOST_FULL) -> None:
        """Go on from these weights, which are left as they are.

        Args:
            most_full: items up to which every one is an alternative.
        """
        self.most_full = most_full
        self.weights = {name: torch.tensor(each, requires_grad=True) for name, each in weights.items()}
        self.optimiser = torch.optim.AdamW(list(self.weights.values()), lr=RATE, weight_decay=WEIGHT_DECAY)
        # Its own, because torch's dropout would hang on the process's generator.
        self.generator = torch.Generator().manual_seed(seed)
        self._averaged = {name: each.detach().clone() for name, each in self.weights.items()}
        self._steps = 0

    def exported(self) -> dict[str, Floats]:
        """The weights, averaged over the last steps: less noise than any one step has (Polyak and Juditsky 1992)."""
        return {name: each.numpy().copy() for name, each in self._averaged.items()}

    def multiplications(self, orders: int, items: int) -> float:
        """About how many one pass takes.

        Args:
            orders: that are read.
            items: of all orders together.
        """
        n, d = (int(each) for each in self.weights["items"].shape)
        alternatives = n if n <= self.most_full else DRAWN
        each = alternatives * d + blocks(self.weights) * 8 * d * d
        return 3.0 * (orders * each + 2 * items * d)

    def learn(
        self, subject: Lesson, chunks: npt.NDArray[np.int64], generator: np.random.Generator, *, until: float
    ) -> bool:
        """One pass over all chunks; False when the clock (`time.monotonic`) stopped it before its end."""
        average = max(10.0, chunks[:, 1].sum() / STEP * AVERAGED)
        for part in batches(chunks, generator):
            if monotonic() > until:
                return False
            self.optimiser.zero_grad()
            loss, weight = self._lost(subject, part, generator)
            if not weight:
                continue
            (loss / weight).backward()
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), LARGEST_GRADIENT)
            self.optimiser.step()
            self._steps += 1
            share = 1 / min(average, 1 + self._steps / 2)
            with torch.no_grad():
                for name, each in self._averaged.items():
                    each.lerp_(self.weights[name], share)
        return True

    def measure(self, subject: Lesson, chunks: npt.NDArray[np.int64]) -> float:
        """Cross entropy of the order after each chunk among all items, of the averaged weights."""
        learning, self.weights = self.weights, self._averaged
        total, weights = 0.0, 0.0
        with torch.no_grad():
            for part in batches(chunks, None):
                loss, weight = self._lost(subject, part, None)
                total, weights = total + float(loss), weights + weight
        self.weights = learning
        return total / max(weights, 1e-9)

    def states(self, x: Any, there: Any, *, learning: bool = False) -> Any:
        """`forward` of the predictor, with dropout while learning."""
        w = self.weights
        n, length, d = x.shape
        heads = w["lags"].shape[0]
        lag = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        lags = w["lags"].index_select(1, lag.clamp(min=0).reshape(-1)).reshape(heads, length, length)
        bias = torch.where(lag >= 0, lags, float(FORBIDDEN))
        bias = bias[None] + torch.where(there, 0.0, float(FORBIDDEN))[:, None, None, :]
        x = self._dropped(x, learning)
        for block in range(blocks(w)):
            mixed = self._normed(x, f"{block}.first") @ w[f"{block}.mixed"]
            q, k, v = mixed.reshape(n, length, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
            looked = torch.softmax(q @ k.transpose(2, 3) * (d // heads) ** -0.5 + bias, dim=-1)
            joined = (looked @ v).transpose(1, 2).reshape(n, length, d) @ w[f"{block}.joined"]
            x = x + self._dropped(joined, learning)
            wide = torch.relu(
                self._normed(x, f"{block}.second") @ w[f"{block}.wide"] + w[f"{block}.wide.shift"]
            )
            narrow = self._dropped(wide, learning) @ w[f"{block}.narrow"] + w[f"{block}.narrow.shift"]
            x = x + self._dropped(narrow, learning)
        return self._normed(x, "end")

    def _normed(self, x: Any, name: str) -> Any:
        return functional.layer_norm(
            x, x.shape[-1:], self.weights[f"{name}.gain"], self.weights[f"{name}.shift"], NORM_EPSILON
        )

    def _dropped(self, x: Any, learning: bool) -> Any:
        if not learning:
            return x
        kept = torch.rand(x.shape, generator=self.generator) >= DROPOUT
        return x * kept / (1 - DROPOUT)

    def _lost(
        self, subject: Lesson, chunks: npt.NDArray[np.int64], generator: np.random.Generator | None
    ) -> tuple[Any, float]:
        """Summed cross entropy of the orders that follow, and the sum of their weights.

        Args:
            generator: None to measure: only each chunk's last order counts, among all items and without dropout.
        """
        learning = generator is not None
        orders, gaps = subject.histories.orders, subject.histories.gaps
        width, d = int(chunks[:, 1].max()), self.weights["items"].shape[1]
        column = np.arange(width)[None, :]
        there = column >= width - chunks[:, 1, None]
        row = np.where(there, chunks[:, 0, None] + chunks[:, 1, None] - width + column, 0)
        held = orders[row[there]]
        size = np.repeat(np.diff(held.indptr), np.diff(held.indptr)).astype(np.float32)
        tokens = functional.embedding_bag(
            torch.from_numpy(held.indices.astype(np.int64)),
            self.weights["items"],
            torch.from_numpy(held.indptr[:-1].astype(np.int64)),
            mode="sum",
            per_sample_weights=torch.from_numpy(size**-0.5),
        )
        tokens = tokens + self.weights["gaps"][torch.from_numpy(gaps[row[there]])]
        where = torch.from_numpy(np.flatnonzero(there))
        flat = torch.zeros(there.size, d).index_copy(0, where, tokens)
        states = self.states(flat.reshape(*there.shape, d), torch.from_numpy(there), learning=learning)
        counted = there if learning else there & (column == width - 1)
        states = states.reshape(-1, d)[torch.from_numpy(np.flatnonzero(counted))]
        return self._cross_entropy(subject, states, row[counted] + 1, generator)

    def _cross_entropy(
        self,
        subject: Lesson,
        states: Any,
        targets: npt.NDArray[np.int64],
        generator: np.random.Generator | None,
    ) -> tuple[Any, float]:
        orders = subject.histories.orders
        lengths = orders.indptr[targets + 1] - orders.indptr[targets]
        owner = np.repeat(np.arange(len(targets)), lengths)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        place = place + orders.indptr[targets][owner]
        item = orders.indices[place].astype(np.int64)
        count = np.bincount(owner, minlength=len(targets))
        weight = count[owner] ** -ORDER_EXPONENT
        moment = subject.moment[targets]
        w = self.weights
        owner_t, item_t = torch.from_numpy(owner), torch.from_numpy(item)
        n_items = len(subject.counts)
        if generator is None or n_items <= self.most_full:
            scores = states @ w["items"].T + w["bias"]
            if subject.shares.shape[2]:
                moments, at = np.unique(moment, return_inverse=True)
                prior = torch.from_numpy(subject.shares[moments].astype(np.float32)) @ w["shares"]
                scores = scores + prior.index_select(0, torch.from_numpy(at))
            lost = torch.logsumexp(scores, dim=1).index_select(0, owner_t) - scores[owner_t, item_t]
        else:
            chance = subject.counts**DRAWN_EXPONENT
            chance = chance / chance.sum()
            drawn = np.searchsorted(np.cumsum(chance), generator.random(DRAWN)).clip(max=n_items - 1)
            drawn_t = torch.from_numpy(drawn)
            others = states @ w["items"].index_select(0, drawn_t).T + w["bias"].index_select(0, drawn_t)
            right = (states.index_select(0, owner_t) * w["items"].index_select(0, item_t)).sum(dim=1)
            right = right + w["bias"].index_select(0, item_t)
            if subject.shares.shape[2]:
                of_drawn = subject.shares[moment[:, None], drawn[None, :]].astype(np.float32)
                of_right = subject.shares[moment[owner], item].astype(np.float32)
                others = others + torch.from_numpy(of_drawn) @ w["shares"]
                right = right + torch.from_numpy(of_right) @ w["shares"]
            others = others - torch.from_numpy(np.log(DRAWN * chance[drawn]).astype(np.float32))
            # What was bought is no alternative to itself.
            bought = np.asarray(orders[targets][:, drawn].toarray(), bool)
            others = others.masked_fill(torch.from_numpy(bought), float(FORBIDDEN))
            lost = functional.softplus(torch.logsumexp(others, dim=1).index_select(0, owner_t) - right)
        return (lost * torch.from_numpy(weight.astype(np.float32))).sum(), float(weight.sum())


def batches(
    chunks: npt.NDArray[np.int64], generator: np.random.Generator | None
) -> Iterator[npt.NDArray[np.int64]]:
    """Chunks [n, 2] of like length together, about `STEP` orders each; in random order with a generator."""
    order = np.arange(len(chunks)) if generator is None else generator.permutation(len(chunks))
    order = order[np.argsort(chunks[order, 1], kind="stable")]
    ends = np.flatnonzero(np.diff(np.cumsum(chunks[order, 1]) // STEP)) + 1
    parts = np.split(order, ends)
    for at in range(len(parts)) if generator is None else generator.permutation(len(parts)):
        yield chunks[parts[at]]
