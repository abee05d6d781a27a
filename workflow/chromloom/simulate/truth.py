"""Predicted against true change, beside simple baselines, on the simulated genome.

The truth is the noise-free contact intensity of the edited plan, in reference coordinates, as a
perfect balancing would show it. Changes are log2((edited + 0.5) / (wild type + 0.5)) of contact
strength, the pseudocount on the scale of counts; Pearson over all pairs within the flank that are
known to all. Pairs on two chromosomes, before or after a translocation, have no contacts. Also
reported: contact probability (the article's scale) and contact strength.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from chromloom.edits.bins import lay_out
from chromloom.edits.edit import JOINED, Edit
from chromloom.errors import InputError
from chromloom.genome.bins import Bins
from chromloom.normalize.maps import NormalizedMap
from chromloom.normalize.probability import PSEUDOCOUNT, contact_probability
from chromloom.perturbation.predict import Prediction, sum_copies
from chromloom.perturbation.simple import baselines, observed_window, shifted_expected
from chromloom.simulate.contacts import expected_contacts
from chromloom.simulate.edits import apply_edit
from chromloom.simulate.plan import Plan

KINDS = ("deletion", "inversion", "duplication", "insertion", "translocation")


def draw_edits(plan: Plan, bins: Bins, *, n_edits: int, seed: int) -> list[Edit]:
    """Draw edits of every kind: 100 to 800 kb long, at a random place inside, off masked bins.

    Half of them are centred on a strong CTCF site, where an edit matters most. A segment is
    inserted elsewhere on its chromosome; a translocation, of genomes of several chromosomes, joins
    the left of one place with the right of another.
    """
    rng = np.random.default_rng(seed)
    resolution = bins.resolution
    edits = []
    for kind in KINDS:
        if kind == "translocation" and len(bins.chromnames) < 2:
            continue
        for number in range(n_edits):
            centred = bool(number % 2)
            chrom, lo, hi = _place(plan, bins, rng, kind, centred=centred)
            start, end = lo * resolution, hi * resolution
            second: dict[str, Any] = {}
            if kind == "insertion":
                second = {"chrom2": chrom, "start2": start, "end2": end}
                _, start, _ = _place(plan, bins, rng, kind, chroms=[chrom])
                start = end = start * resolution
            elif kind == "translocation":
                others = [other for other in bins.chromnames if other != chrom]
                chrom2, lo2, _ = _place(plan, bins, rng, kind, chroms=others)
                second = {"chrom2": chrom2, "start2": lo2 * resolution, "end2": lo2 * resolution}
                second |= {"strand": "+", "strand2": "-"}
                end = start
            edits.append(Edit(f"{kind}{number}", kind, chrom, start, end, **second))
    return edits


def _place(
    plan: Plan,
    bins: Bins,
    rng: np.random.Generator,
    kind: str,
    *,
    centred: bool = False,
    chroms: Sequence[str] = (),
) -> tuple[str, int, int]:
    """A random region that is covered: chromosome, first bin, last bin + 1."""
    for _ in range(1000):
        chrom = str(rng.choice(list(chroms) or bins.chromnames))
        mask = bins.mask(chrom)
        size = int(rng.integers(100_000, 800_001) // bins.resolution)
        sites = plan.rows("sites", chrom)
        sites = sites.loc[sites["strength"] > 0.5, "start"].to_numpy() // bins.resolution
        centre = rng.choice(sites) if centred else rng.integers(0, len(mask))
        lo = int(centre) - size // 2
        hi = lo + size
        around = slice(max(lo - 20, 0), hi + 20)
        if lo >= 20 and hi <= len(mask) - 20 and mask[around].mean() < 0.1:
            return chrom, lo, hi
    raise InputError(
        f"no place for a {kind}: the simulated chromosomes are too short or masked; plan a larger "
        "genome"
    )


def score_changes(
    prediction: Prediction, observed: NormalizedMap, truth: tuple[np.ndarray, np.ndarray]
) -> pd.DataFrame:
    """Score a prediction and the baselines against what `simulate_change` gave; see the module."""
    edit = prediction.edited.edit
    model = (prediction.wild_type, prediction.on_reference)
    if edit.kind == "translocation":
        methods = {"model": model, "shifted expected": shifted_expected(prediction, observed)}
        together = _together(prediction, observed.bins)
        methods = {name: _without_trans(pair, together) for name, pair in methods.items()}
        truth = _without_trans(truth, together)
    else:
        methods = {"model": model, **baselines(prediction, observed)}
    scales = {
        "log2": _log2,
        "cp": lambda m: contact_probability(m, observed.cp_a),
        "value": lambda m: m,
    }
    known = np.isfinite(truth[0]) & np.isfinite(truth[1])
    for pair in methods.values():
        known &= np.isfinite(pair[0]) & np.isfinite(pair[1])
    rows = []
    for scale, transform in scales.items():
        true = (transform(truth[1]) - transform(truth[0]))[known]
        for method, (wild_type, edited) in methods.items():
            change = (transform(edited) - transform(wild_type))[known]
            told = len(change) > 2 and change.std() > 0 and true.std() > 0
            r = np.corrcoef(true, change)[0, 1] if told else np.nan
            rows.append(
                (
                    edit.edit,
                    edit.kind,
                    f"{edit.chrom}:{edit.start}-{edit.end}",
                    method,
                    scale,
                    known.sum(),
                    r,
                    np.mean((true - change) ** 2) if len(change) else np.nan,
                )
            )
    return pd.DataFrame(
        rows, columns=["edit", "kind", "region", "method", "scale", "n_pairs", "pearson", "mse"]
    )


def simulate_change(
    prediction: Prediction, observed: NormalizedMap, plan: Plan
) -> tuple[np.ndarray, np.ndarray]:
    """Noise-free wild type and edited map on the reference bins of a prediction.

    Returns
    -------
    wild_type, edited : ndarray, (k, k), float64
        Upper triangle, scaled so that the wild type sums to the observed map's strength.
    """
    edit, resolution, bins = prediction.edited.edit, observed.resolution, observed.bins
    if edit.kind not in JOINED:
        lo = edit.start // resolution * resolution
        hi = min(-(-edit.end // resolution) * resolution, int(plan.chromsizes[edit.chrom]))
        edit = replace(edit, start=lo, end=hi)
    changed, window = apply_edit(plan, edit), prediction.bins
    wild_type, values = (np.full((len(window),) * 2, np.nan) for _ in range(2))
    for chrom, (first, last) in bins.extents.items():
        own = np.flatnonzero((window >= first) & (window < last))
        if not len(own):
            continue
        positions = window[own] - first
        options = resolution, positions, observed.ignore_diags
        wild_type[np.ix_(own, own)] = intensities(plan, chrom, *options)
        values[np.ix_(own, own)] = observed_window(observed, chrom, positions)
    maps, indices = [], []
    for one in lay_out(prediction.edited.edit, bins).chromosomes:
        at = np.flatnonzero(np.isin(one.source, window))
        if len(at):
            maps.append(intensities(changed, one.chrom, resolution, at, observed.ignore_diags))
            indices.append(np.searchsorted(window, one.source[at]))
    on_reference = sum_copies(maps, indices, len(window))
    both = np.isfinite(values) & np.isfinite(wild_type)
    scale = values[both].sum() / wild_type[both].sum()
    return scale * wild_type, scale * on_reference


def _together(prediction: Prediction, bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs lie on one chromosome, before and after an edit, (k, k) bool each."""
    window = prediction.bins
    begins = [first for first, _ in bins.extents.values()]
    chrom = np.searchsorted(begins, window, side="right")
    after = np.zeros((len(window),) * 2, bool)
    for one in lay_out(prediction.edited.edit, bins).chromosomes:
        own = np.isin(window, one.source)
        after |= own[:, None] & own[None, :]
    return chrom[:, None] == chrom[None, :], after


def _without_trans(
    pair: tuple[np.ndarray, np.ndarray], together: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Maps with 0 for pairs on two chromosomes; NaN where they are so before and after."""
    asked = np.triu(together[0] | together[1], 1)
    before, after = (np.where(one, values, 0.0) for values, one in zip(pair, together))
    return np.where(asked, before, np.nan), np.where(asked, after, np.nan)


def _log2(values):
    return np.log2(values + PSEUDOCOUNT)


def intensities(
    plan: Plan, chrom: str, resolution: int, positions: np.ndarray, ignore_diags: int
) -> np.ndarray:
    """Noise-free balanced intensity among ascending bins of a plan's chromosome.

    Returns
    -------
    ndarray, (p, p), float64
        Upper triangle, in the plan's units; NaN below `ignore_diags`.
    """
    lo, hi = int(positions[0]), int(positions[-1]) + 1
    band = expected_contacts(plan, chrom, resolution, lo, hi, visible=False)
    i, j = np.meshgrid(positions, positions, indexing="ij")
    wanted = j - i >= ignore_diags
    return np.where(wanted, band[np.where(wanted, j - i, 0), i - lo], np.nan)
