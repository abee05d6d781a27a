"""Chromoformer: expression of a gene from marks around its TSS and at elements that touch it.

Written from the article (Lee et al., Nature Communications 2022), Methods, "Chromoformer model
architecture"; equations by its numbers. Three transformers per bin size: *Embedding* (self-
attention over the bins of the promoter), *Pairwise* (promoter bins attend to the bins of one
element; two layers) and *Regulation* (gated self-attention over the promoter and its elements; six
layers). Their vectors at the TSS are concatenated and lead to a head of one hidden layer.

**Fast path.** Only the vector at the TSS of Embedding and Pairwise is used, nothing mixes bins
after an Embedding's one layer or within Pairwise, and keys and values are linear in the marks plus
a constant table of positions. So one query instead of one per bin, in the space of marks and
positions, gives the same numbers (`forward`), and so does the promoter's query alone in the last
Regulation layer; `forward_full` computes every bin as the article
does, and its attention maps. Both use the same parameters.

Where the article and its public code differ (described, never copied): the article's residual
around a transformer is its own alone, the code also adds the promoter embedding to the regulatory
one (`add_promoter`); the article has one coefficient of interaction frequencies, the code one per
head (`frequency_per_head`). Defaults are the article's. Absent elements and bins beyond an element
are masked, so that padding has no influence.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn

from chromloom.models.expression.settings import OUTPUTS, ChromoformerSettings


@cache
def positions(n: int, size: int) -> Tensor:
    """Table of positions, (n, size), float32, not to be written to: equation 1."""
    place = torch.arange(n, dtype=torch.float64)[:, None]
    rate = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    table = torch.stack([torch.sin(place * rate), torch.cos(place * rate)], dim=2)
    return table.reshape(n, size).float()


class BinAttention(nn.Module):
    """One transformer layer whose keys and values are bins: projected marks plus positions.

    Used as self-attention (queries are the bins themselves) by Embedding, and as encoder-decoder
    attention by Pairwise.
    """

    def __init__(self, size: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(size, size, bias=False)
        self.key = nn.Linear(size, size, bias=False)
        self.value = nn.Linear(size, size, bias=False)
        self.output = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)
        self.feedforward = nn.Sequential(
            nn.Linear(size, feedforward), nn.ReLU(), nn.Linear(feedforward, size)
        )
        self.norm_after = nn.LayerNorm(size)

    def full(
        self, queries: Tensor, bins: Tensor, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Every query against every bin.

        Parameters
        ----------
        queries : Tensor, (B, Q, size)
        bins : Tensor, (B, n, size)
        known : Tensor, (B, n), bool, optional
            Bins that are not padding.

        Returns
        -------
        Tensor, (B, Q, size)
        Tensor, (B, heads, Q, n)
            Attention.
        """
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)  # (B, heads, n, size / heads)
            for layer, x in ((self.query, queries), (self.key, bins), (self.value, bins))
        )
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])  # (B, heads, Q, n)
        if known is not None:
            scores = scores.masked_fill(~known[:, None, None], -math.inf)
        attention = scores.softmax(dim=-1)
        mixed = (attention @ v).transpose(1, 2).flatten(2)  # (B, Q, size)
        return self._after(queries, mixed), attention

    def at_one(
        self,
        query: Tensor,
        marks: Tensor,
        projection: Tensor,
        table: Tensor,
        known: Tensor | None = None,
    ) -> Tensor:
        """One query per gene or element, against bins that are never projected.

        Parameters
        ----------
        query : Tensor, (B, size)
        marks : Tensor, (B, n_marks, n)
        projection : Tensor, (size, n_marks)
            Bins are projection @ marks + table.
        table : Tensor, (n, size)
        known : Tensor, (B, n), bool, optional

        Returns
        -------
        Tensor, (B, size)
        """
        size = query.shape[1] // self.heads
        q = self.query(query).unflatten(1, (self.heads, size))  # (B, heads, size / heads)
        key = self.key.weight.unflatten(0, (self.heads, size))  # (heads, size / heads, size)
        q = torch.einsum("bhe,hed->bhd", q, key) / math.sqrt(size)  # (B, heads, size)
        scores = (q @ projection) @ marks + q @ table.T  # (B, heads, n)
        if known is not None:
            scores = scores.masked_fill(~known[:, None], -math.inf)
        attention = scores.softmax(dim=-1)
        mean = attention @ marks.transpose(1, 2) @ projection.T + attention @ table
        value = self.value.weight.unflatten(0, (self.heads, size))
        mixed = torch.einsum("bhd,hed->bhe", mean, value).flatten(1)  # (B, size)
        return self._after(query, mixed)

    def _after(self, queries: Tensor, mixed: Tensor) -> Tensor:
        x = self.norm(queries + self.output(mixed))
        return self.norm_after(x + self.feedforward(x))


class GatedAttention(nn.Module):
    """One layer of Regulation: equations 6 and 7."""

    def __init__(
        self, size: int, heads: int, head_size: int, feedforward: int, per_head: bool
    ) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * head_size
        self.query = nn.Linear(size, inner, bias=False)
        self.key = nn.Linear(size, inner, bias=False)
        self.value = nn.Linear(size, inner, bias=False)
        self.gate = nn.Linear(size, inner, bias=False)
        self.frequency = nn.Parameter(torch.ones(heads if per_head else 1))
        self.output = nn.Linear(inner, size)
        self.norm = nn.LayerNorm(size)
        self.feedforward = nn.Sequential(
            nn.Linear(size, feedforward), nn.ReLU(), nn.Linear(feedforward, size)
        )
        self.norm_after = nn.LayerNorm(size)

    def forward(
        self, x: Tensor, bias: Tensor, present: Tensor, *, promoter_alone: bool = False
    ) -> Tensor:
        """Update the promoter (row 0) and its elements.

        Parameters
        ----------
        x : Tensor, (B, 1 + k, size)
        bias : Tensor, (B, 1 + k)
            Interaction frequencies, added to the scores of row 0.
        present : Tensor, (B, 1 + k), bool
            Rows that are not padding.
        promoter_alone : bool
            Return row 0 alone, which is all that is used of the last layer.

        Returns
        -------
        Tensor, (B, rows, size)
        """
        rows, x = x, x[:, :1] if promoter_alone else x
        q, k, v = (
            layer(own).unflatten(2, (self.heads, -1)).transpose(1, 2).contiguous()
            for layer, own in ((self.query, x), (self.key, rows), (self.value, rows))
        )
        # Keys come before queries, since torch's softmax along a short last axis is slow.
        scores = k @ q.transpose(2, 3) / math.sqrt(q.shape[-1])  # (B, heads, 1 + k, rows)
        first = torch.zeros(x.shape[1], dtype=x.dtype, device=x.device)
        first[0] = 1
        weight = self.frequency.expand(self.heads)[:, None, None]
        absent = torch.zeros_like(bias).masked_fill(~present, -math.inf)
        scores = scores + weight * (bias[:, :, None] * first)[:, None] + absent[:, None, :, None]
        attention = scores.softmax(dim=2).transpose(2, 3)
        mixed = (attention @ v).transpose(1, 2).flatten(2)  # (B, rows, heads * head_size)
        x = self.norm(x + self.output(mixed * torch.sigmoid(self.gate(x))))
        return self.norm_after(x + self.feedforward(x))


class OneResolution(nn.Module):
    """The transformers of one bin size."""

    def __init__(self, settings: ChromoformerSettings, n_marks: int) -> None:
        super().__init__()
        s = settings
        self.add_promoter = s.add_promoter
        self.project = nn.Linear(n_marks, s.size, bias=False)
        self.embedding = BinAttention(s.size, s.heads, s.feedforward)
        whole = s.parts == "all"
        self.project_element = nn.Linear(n_marks, s.size, bias=False) if whole else None
        self.pairwise = nn.ModuleList(
            BinAttention(s.size, s.pair_heads, s.pair_feedforward)
            for _ in range(s.pair_layers * whole)
        )
        self.regulation = nn.ModuleList(
            GatedAttention(
                s.size,
                s.regulation_heads,
                s.regulation_head_size,
                s.regulation_feedforward,
                s.frequency_per_head,
            )
            for _ in range(s.regulation_layers * whole)
        )

    def forward(self, marks: Tensor, elements: "Elements | None", *, full: bool) -> Tensor:
        """Regulatory embedding of the TSS, (B, size), of marks (B, n_marks, n)."""
        every = None
        if full:
            n, middle = marks.shape[2], marks.shape[2] // 2
            table = positions(n, self.project.out_features).to(marks)
            bins = self.project(marks.transpose(1, 2)) + table  # (B, n, size)
            every, _ = self.embedding.full(bins, bins)
            promoter = every[:, middle]
        else:
            promoter = self.embed(marks)
        if self.project_element is None:
            return promoter
        pairs = self._pairs(promoter, every, elements)
        return self._regulate(promoter, pairs, elements, full=full)

    def embed(self, marks: Tensor) -> Tensor:
        """Core promoter embedding at the TSS, (B, size), by the fast path."""
        n, middle = marks.shape[2], marks.shape[2] // 2
        table = positions(n, self.project.out_features).to(marks)
        query = self.project(marks[:, :, middle]) + table[middle]
        return self.embedding.at_one(query, marks, self.project.weight, table)

    def _pairs(
        self, promoter: Tensor, every: Tensor | None, elements: "Elements | None"
    ) -> Tensor | None:
        """Pairwise embeddings at the TSS, one row per element that there is, (E, size)."""
        if elements is None or not len(elements.gene):
            return None
        assert self.project_element is not None
        marks, known, offset = elements.marks, elements.known, elements.offset
        table = positions(offset + marks.shape[2], promoter.shape[1])[offset:].to(marks)
        if every is None:
            x = promoter[elements.gene]
            for layer in cast("Iterable[BinAttention]", self.pairwise):
                x = layer.at_one(x, marks, self.project_element.weight, table, known)
            return x
        x = every[elements.gene]  # (E, n, size)
        bins = self.project_element(marks.transpose(1, 2)) + table
        for layer in cast("Iterable[BinAttention]", self.pairwise):
            x, _ = layer.full(x, bins, known)
        return x[:, x.shape[1] // 2]

    def _regulate(
        self, promoter: Tensor, pairs: Tensor | None, elements: "Elements | None", *, full: bool
    ) -> Tensor:
        rows = 1 if elements is None else 1 + elements.most
        x = promoter.new_zeros(len(promoter), rows, promoter.shape[1])
        bias = promoter.new_zeros(len(promoter), rows)
        present = torch.zeros(len(promoter), rows, dtype=torch.bool, device=promoter.device)
        x[:, 0], present[:, 0] = promoter, True
        if pairs is not None and elements is not None:
            place = (elements.gene, 1 + elements.rank)
            x = x.index_put(place, pairs)
            bias = bias.index_put(place, elements.frequency)
            present = present.index_put(place, torch.ones_like(elements.gene, dtype=torch.bool))
        for k, layer in enumerate(self.regulation, start=1):
            alone = k == len(self.regulation) and not full
            x = layer(x, bias, present, promoter_alone=alone)
        return x[:, 0] + promoter if self.add_promoter else x[:, 0]


@dataclass(frozen=True)
class Elements:
    """Elements of a batch of genes at one bin size, without those that are absent.

    Attributes
    ----------
    gene : Tensor, (E,), int64
        Gene of the batch.
    rank : Tensor, (E,), int64
        0 … k - 1 among the gene's elements.
    frequency : Tensor, (E,), float32
        Normalised interaction frequency.
    marks : Tensor, (E, n_marks, n), float32
        Bins of the element, in the middle of n; 0 beyond it.
    known : Tensor, (E, n), bool
        Bins of the element itself.
    offset : int
        Number of the first of these n bins where the frame is as long as the promoter's.
    most : int
        Elements of the gene with most.
    """

    gene: Tensor
    rank: Tensor
    frequency: Tensor
    marks: Tensor
    known: Tensor
    offset: int = 0
    most: int = 8

    def cropped(self) -> "Elements":
        """The same without the bins at both ends that are padding in every element."""
        if not len(self.gene):
            return self
        used = torch.nonzero(self.known.any(dim=0))
        lo, hi = int(used.min()), int(used.max()) + 1
        return Elements(
            self.gene, self.rank, self.frequency, self.marks[:, :, lo:hi], self.known[:, lo:hi],
            self.offset + lo, self.most,
        )  # fmt: skip


class Chromoformer(nn.Module):
    """The whole network.

    Parameters
    ----------
    settings : ChromoformerSettings
    n_marks : int
    task : {"clf", "reg"}
        Two logits (low, high), or the level.
    n_windows : int
        Numbers that the encoded windows of a gene are; 0 where they are not read.
    """

    def __init__(
        self, settings: ChromoformerSettings, n_marks: int, task: str = "clf", n_windows: int = 0
    ) -> None:
        super().__init__()
        self.settings, self.task = settings, task
        self.resolutions = nn.ModuleList(
            OneResolution(settings, n_marks) for _ in settings.bin_sizes
        )
        size, hidden = settings.size * len(settings.bin_sizes), settings.hidden
        self.windows = _hidden(n_windows, settings) if n_windows else None
        self.head = nn.Sequential(
            *_hidden(size + hidden * bool(n_windows), settings),
            nn.Linear(hidden, OUTPUTS[task]),
        )

    def forward(
        self,
        marks: list[Tensor],
        elements: list[Elements] | None = None,
        windows: Tensor | None = None,
    ) -> Tensor:
        """Logits or level of genes, by the fast path.

        Parameters
        ----------
        marks : list of Tensor, (B, n_marks, n)
            One per bin size; the TSS lies in bin n // 2.
        elements : list of Elements, optional
            One per bin size; not of settings with `parts` "embedding".
        windows : Tensor, (B, n_windows), optional
            Encoded windows of a network that reads them.

        Returns
        -------
        Tensor, (B, 2) or (B, 1)
        """
        cropped = None if elements is None else [part.cropped() for part in elements]
        return self._told(self._vectors(marks, cropped, full=False), windows)

    def forward_full(
        self,
        marks: list[Tensor],
        elements: list[Elements] | None = None,
        windows: Tensor | None = None,
    ) -> Tensor:
        """The same by every query of every layer, as the article computes it."""
        return self._told(self._vectors(marks, elements, full=True), windows)

    def embeddings(
        self,
        marks: list[Tensor],
        elements: list[Elements] | None = None,
        windows: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embeddings of the TSS before and after its elements are read, (B, size * n_sizes) each.

        Core promoter and regulatory embedding of the article, of all bin sizes; windows are in
        neither.
        """
        cropped = None if elements is None else [part.cropped() for part in elements]
        parts = cast("Iterable[OneResolution]", self.resolutions)
        promoter = torch.cat([part.embed(x) for part, x in zip(parts, marks)], dim=1)
        return promoter, self._vectors(marks, cropped, full=False)

    def attention(self, marks: list[Tensor], *, tss: bool = False) -> list[Tensor]:
        """Self-attention of each bin size's Embedding, (B, heads, n, n), or (B, heads, 1, n).

        Parameters
        ----------
        marks : list of Tensor, (B, n_marks, n)
        tss : bool
            That of the bin of the TSS alone.
        """
        maps = []
        for part, own in zip(cast("Iterable[OneResolution]", self.resolutions), marks):
            table = positions(own.shape[2], self.settings.size).to(own)
            bins = part.project(own.transpose(1, 2)) + table
            middle = bins.shape[1] // 2
            queries = bins[:, middle : middle + 1] if tss else bins
            maps.append(part.embedding.full(queries, bins)[1])
        return maps

    def _told(self, vectors: Tensor, windows: Tensor | None) -> Tensor:
        """Logits or level, of the embeddings of all bin sizes and the windows."""
        if self.windows is not None:
            vectors = torch.cat([vectors, self.windows(windows)], dim=1)
        return self.head(vectors)

    def _vectors(
        self, marks: list[Tensor], elements: list[Elements] | None, *, full: bool
    ) -> Tensor:
        own: Sequence[Elements | None] = elements or [None] * len(marks)
        vectors = [part(x, some, full=full) for part, x, some in zip(self.resolutions, marks, own)]
        return torch.cat(vectors, dim=1)  # (B, size * n_sizes)


def _hidden(n_inputs: int, settings: ChromoformerSettings) -> nn.Sequential:
    """A hidden layer; its weights are named alike with and without dropout."""
    active: nn.Module = nn.ReLU()
    if settings.dropout:
        active = nn.Sequential(active, nn.Dropout(settings.dropout))
    return nn.Sequential(nn.Linear(n_inputs, settings.hidden), active)
