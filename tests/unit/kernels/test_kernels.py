"""The fused CPU kernels against the plain-torch oracle, and what must hold of both."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import chromloom
from chromloom.errors import InputError
from chromloom.kernels import (
    Edits,
    Lanes,
    Spec,
    Weights,
    autograd,
    cache,
    kernel_threads_only,
    lanes_forward,
    lanes_of_bins,
    reference,
    tile_forward,
    tile_gradients,
    tile_loss,
)

NORMS = ("norm_input", "norm_recurrent", "norm_cell")


def draw_case(seed, H, D, B, L, norms=(True, True, True), reverse=False, masked=0.2):
    """Inputs of a tile in float64: spec, leaves by name, masks, target, weights of the outputs."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=1.0):
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    def norm(on, size):
        return (1 + normal(size, scale=0.2), normal(size, scale=0.3)) if on else (None, None)

    weights = Weights(
        normal(4 * H, H, scale=H**-0.5),
        normal(4 * H, scale=0.3),
        *norm(norms[0], 4 * H),
        *norm(norms[1], 4 * H),
        *norm(norms[2], H),
        normal(H),
        normal(1)[0],
    )
    leaves = {"P": normal(B, 4 * H), "Q": normal(B + L - 1, 4 * H)}
    leaves |= {"A": normal(B, D), "C": normal(B + L - 1, D)}
    leaves |= {"h": normal(B, H, scale=0.3), "c": normal(B, H)}
    leaves |= {name: value for name, value in weights._asdict().items() if value is not None}
    leaves["offset"] = normal(L, B)
    leaves["offset"][torch.rand(L, B, generator=generator) < 0.05] = 20.0  # where rates are cut
    row_ok = torch.rand(B, generator=generator) >= masked
    col_ok = torch.rand(B + L - 1, generator=generator) >= masked
    target = torch.rand(L, B, generator=generator, dtype=torch.float64)
    target[torch.rand(L, B, generator=generator) < 0.2] = torch.nan
    return {
        "spec": Spec(H, *norms, reverse=reverse),
        "leaves": leaves,
        "ok": (row_ok, col_ok),
        "target": target,
        "dist_weight": torch.rand(L, generator=generator, dtype=torch.float64),
        "exposure": 3 * torch.rand(L, B, generator=generator, dtype=torch.float64),
        "outputs": (normal(L, B), normal(L, H, B), normal(B, H), normal(B, H)),
    }


def encode(target, kind):
    """Targets as float16, as uint16, or as they are."""
    if kind == "uint16":
        code = torch.where(target.isnan(), 0xFFFF, (target * 65534).round())
        return code.to(torch.int32).to(torch.uint16)
    return target.to(torch.float16) if kind == "float16" else target


@kernel_threads_only()
def run(module, case, dtype, *, kind="float", sigmoid=True, backend=None):
    """All values and gradients of both functions, by name."""
    options = {} if backend is None else {"backend": backend}
    leaves = {k: v.to(dtype).requires_grad_() for k, v in case["leaves"].items()}
    weights = Weights(**{name: leaves.get(name) for name in Weights._fields})
    common = (leaves["P"], leaves["Q"], weights, case["spec"], *case["ok"])
    y, hidden, state = module.tile_forward(
        *common,
        A=leaves["A"],
        C=leaves["C"],
        state=(leaves["h"], leaves["c"]),
        return_hidden=True,
        return_state=True,
        **options,
    )
    values = {"y": y, "hidden": hidden, "h_last": state[0], "c_last": state[1]}
    total = sum((v * w.to(dtype)).sum() for v, w in zip(values.values(), case["outputs"]))
    grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    result = values | {f"d{name}": grad for name, grad in zip(leaves, grads)}
    target = encode(case["target"], kind)
    target = target.to(dtype) if kind == "float" else target
    losses = {
        "loss": {"A": leaves["A"], "C": leaves["C"], "sigmoid": sigmoid},
        "count": {
            **{"A": 0.1 * leaves["A"], "C": leaves["C"], "offset": leaves["offset"]},
            "exposure": case["exposure"].to(dtype),
        },
    }
    for name, more in losses.items():
        weight = case["dist_weight"].to(dtype)
        loss = module.tile_loss(*common, target, weight, **more, **options)
        wanted = {k: v for k, v in leaves.items() if k not in ("h", "c")}
        if name == "loss":
            del wanted["offset"]
        grads = torch.autograd.grad(loss, list(wanted.values()))
        result |= {name: loss} | {f"{name}_d{leaf}": grad for leaf, grad in zip(wanted, grads)}
    return {name: value.detach() for name, value in result.items() if value is not None}


def relative_error(value, exact):
    """Norm of the difference relative to the exact norm; absolute where that is tiny."""
    scale = max(float(exact.norm()), 1e-3)
    return float((value.double() - exact).norm()) / scale


shapes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**31),
        "H": st.sampled_from([4, 5, 8, 12, 16, 32]),
        "D": st.sampled_from([2, 3, 16, 128]),
        "B": st.sampled_from([1, 2, 7, 16, 33, 64, 70]),
        "L": st.sampled_from([1, 2, 5, 17, 24]),
        "norms": st.tuples(st.booleans(), st.booleans(), st.booleans()),
        "reverse": st.booleans(),
        "masked": st.sampled_from([0.0, 0.2, 0.8]),
    }
)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(shapes, st.sampled_from(["float", "float16", "uint16"]), st.booleans())
def test_values_and_gradients_match_the_oracle(shape, kind, sigmoid):
    case = draw_case(**shape)
    options = {"kind": kind, "sigmoid": sigmoid}
    exact = run(reference, case, torch.float64, **options)
    double = run(autograd, case, torch.float64, **options)
    single = run(autograd, case, torch.float32, **options)
    torch_single = run(reference, case, torch.float32, **options)
    assert double.keys() == exact.keys()
    for name, value in exact.items():
        assert relative_error(double[name], value) <= 1e-10, name
        limit = 1e-5
        if case["spec"].norm_recurrent:
            limit = max(limit, 3 * relative_error(torch_single[name], value))
        assert relative_error(single[name], value) <= limit, name


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_gradients_without_a_graph_are_those_of_the_loss(backend):
    case = draw_case(4, 8, 3, 40, 9)
    leaf = {k: v.requires_grad_() for k, v in case["leaves"].items()}
    weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
    args = (leaf["P"], leaf["Q"], weights, case["spec"], *case["ok"], case["target"])
    args = (*args, case["dist_weight"])
    options = {"A": leaf["A"], "C": leaf["C"], "backend": backend}
    for more in ({}, {"exposure": case["exposure"], "offset": leaf["offset"]}):
        loss, of_inputs, of_weights = tile_gradients(*args, **options, **more)
        got = of_inputs._asdict() | of_weights._asdict()
        assert not loss.requires_grad
        exact = tile_loss(*args, **options, **more)
        torch.testing.assert_close(loss, exact.detach())
        assert (got["offset"] is None) == (not more)
        used = [name for name, gradient in got.items() if gradient is not None]
        for name, gradient in zip(used, torch.autograd.grad(exact, [leaf[n] for n in used])):
            torch.testing.assert_close(got[name], gradient)


@pytest.mark.parametrize("H", [1, 64, 128])
def test_large_and_smallest_hidden_sizes(H):
    case = draw_case(3, H, 2, 20, 6, norms=(True, False, H > 1))
    exact, single = run(reference, case, torch.float64), run(autograd, case, torch.float32)
    for name, value in exact.items():
        assert relative_error(single[name], value) <= 1e-5, name


@pytest.mark.parametrize("reverse", [False, True])
def test_gradcheck(reverse):
    case = draw_case(5, 4, 2, 3, 4, reverse=reverse)
    names = list(case["leaves"])

    def forward(*leaves):
        leaf = dict(zip(names, leaves))
        weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
        y, hidden, state = autograd.tile_forward(
            leaf["P"],
            leaf["Q"],
            weights,
            case["spec"],
            *case["ok"],
            A=leaf["A"],
            C=leaf["C"],
            state=(leaf["h"], leaf["c"]),
            return_hidden=True,
            return_state=True,
        )
        return y, hidden, *state

    leaves = [leaf.requires_grad_() for leaf in case["leaves"].values()]
    assert torch.autograd.gradcheck(forward, leaves, eps=1e-6, atol=1e-7)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(
        "chromloom.kernels.cpu.WORTH_SHARING", 0
    )  # so that also small sums are shared
    case = draw_case(0, 8, 4, 300, 21)
    before, results = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2, 3):
            torch.set_num_threads(n_threads)
            results.append(run(autograd, case, torch.float32, kind="float16"))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for name, value in results[0].items():
            assert torch.equal(other[name], value), name


@pytest.mark.parametrize("module", [reference, autograd])
def test_masked_pairs_are_not_read(module):
    case = draw_case(1, 4, 2, 12, 9, masked=0.3)
    clean = run(module, case, torch.float64)
    row_ok, col_ok = case["ok"]
    for name, ok in (("P", row_ok), ("A", row_ok), ("Q", col_ok), ("C", col_ok)):
        case["leaves"][name] = torch.where(ok[:, None], case["leaves"][name], 1e3)
    dirty = run(module, case, torch.float64)
    for name, value in clean.items():
        assert torch.equal(dirty[name], value), name
    assert not clean["dP"][~row_ok].any()
    assert not clean["dQ"][~col_ok].any()
    read = reference.read_mask(row_ok, col_ok, 9)
    assert not clean["y"][~read].any()
    assert clean["y"][read].all()


def test_a_tile_without_pairs_has_no_loss_and_no_gradient():
    case = draw_case(1, 4, 2, 20, 9)
    case["ok"] = (torch.zeros(20, dtype=torch.bool), case["ok"][1])
    values = run(autograd, case, torch.float32)
    assert values["loss"] == 0
    assert all(not value.any() for name, value in values.items() if name.startswith("loss_d"))
    assert torch.equal(values["h_last"], case["leaves"]["h"].float())


def test_carried_state_makes_two_frames_one():
    case = draw_case(2, 8, 2, 30, 24, masked=0.1)
    leaf = case["leaves"]
    weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
    row_ok, col_ok = case["ok"]
    whole = tile_forward(leaf["P"], leaf["Q"], weights, case["spec"], row_ok, col_ok)
    n_rows = len(row_ok)
    state, parts = None, []
    for start in (0, 12):
        columns = slice(start, start + n_rows + 11)
        y, state = tile_forward(
            leaf["P"],
            leaf["Q"][columns],
            weights,
            case["spec"],
            row_ok,
            col_ok[columns],
            state=state,
            return_state=True,
        )
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-12, atol=1e-12)


def test_columns_beyond_the_chromosome_change_nothing():
    case = draw_case(4, 4, 2, 8, 10, masked=0.0)
    leaf, row_ok = case["leaves"], case["ok"][0]
    weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
    n_columns = 11  # of 17
    col_ok = torch.arange(17) < n_columns
    y = tile_forward(leaf["P"], leaf["Q"], weights, case["spec"], row_ok, col_ok)
    for b in range(8):
        length = min(10, n_columns - b)
        alone = slice(b, b + 1), slice(b, b + length)
        own = tile_forward(
            leaf["P"][alone[0]],
            leaf["Q"][alone[1]],
            weights,
            case["spec"],
            row_ok[:1],
            col_ok[alone[1]],
        )
        torch.testing.assert_close(y[:length, b], own[:, 0], rtol=1e-12, atol=1e-12)
        assert not y[length:, b].any()


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("bilinear", [False, True])
@kernel_threads_only()
def test_point_edits_recompute_what_they_change(backend, bilinear):
    n, H, D, frame, reach = 60, 4, 3, 10, 25
    case = draw_case(6, H, D, n, 1)
    leaf, spec, ok = case["leaves"], case["spec"], case["ok"]
    weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
    term = {"A": leaf["A"], "C": leaf["C"]} if bilinear else {}
    bins = torch.tensor([0, 7, 31, 59])
    replaced = {k: torch.randn(4, v.shape[1]).double() for k, v in leaf.items() if k in "PQAC"}
    edits = Edits(bins, replaced["P"], replaced["Q"])
    if bilinear:
        edits = edits._replace(A=replaced["A"], C=replaced["C"])

    def dense(number):
        """All pairs below `reach` of the chromosome with edit `number` (None: as it is)."""
        values = {k: leaf[k].clone() for k in "PQAC"}
        if number is not None:
            for k, value in values.items():
                value[bins[number]] = replaced[k][number]
        band = torch.zeros(reach, n, dtype=torch.float64)
        for d0 in range(0, reach, frame):
            length = min(frame, reach - d0)
            beyond = torch.zeros(d0 + length - 1, dtype=torch.bool)
            columns = {k: torch.cat([values[k], values[k][: len(beyond)] * 0])[d0:] for k in "QC"}
            band[d0 : d0 + length] = reference.tile_forward(
                values["P"],
                columns["Q"],
                weights,
                spec,
                ok[0],
                torch.cat([ok[1], beyond])[d0:],
                A=values["A"] if bilinear else None,
                C=columns["C"] if bilinear else None,
            )
        return band

    lanes = lanes_of_bins(bins, n, reach=reach, frame=frame)
    y = lanes_forward(
        leaf["P"], leaf["Q"], weights, spec, lanes, *ok, edits=edits, backend=backend, **term
    )
    wild_type = dense(None)
    for number in range(len(bins)):
        predicted = wild_type.clone()
        for lane in torch.nonzero(lanes.edits == number)[:, 0].tolist():
            row, start, length = (int(part[lane]) for part in lanes[:3])
            predicted[start - row : start - row + length, row] = y[:length, lane]
        torch.testing.assert_close(predicted, dense(number), rtol=1e-10, atol=1e-12)


def test_lanes_in_any_order():
    case = draw_case(7, 8, 2, 40, 1, reverse=True)
    leaf = case["leaves"]
    weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 40, (90,), generator=generator)
    starts = torch.randint(0, 40, (90,), generator=generator)
    lengths = torch.randint(1, 12, (90,), generator=generator)
    lanes = Lanes(rows, starts, lengths, torch.full_like(rows, -1))
    results = [
        lanes_forward(
            leaf["P"], leaf["Q"], weights, case["spec"], lanes, *case["ok"], backend=backend
        )
        for backend in ("reference", "cpu")
    ]
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)
    empty = Lanes(*(part[:0] for part in lanes))
    assert lanes_forward(leaf["P"], leaf["Q"], weights, case["spec"], empty, *case["ok"]).shape == (
        0,
        0,
    )


def test_unknown_backend_is_an_error():
    case = draw_case(1, 4, 2, 3, 3)
    leaf = case["leaves"]
    weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
    with pytest.raises(InputError, match="backend 'tpu'"):
        tile_forward(leaf["P"], leaf["Q"], weights, case["spec"], *case["ok"], backend="tpu")


def test_the_automatic_backend_is_the_fused_one():
    case = draw_case(8, 8, 2, 20, 9)
    leaf = {k: v.float() for k, v in case["leaves"].items()}
    weights = Weights(**{name: leaf.get(name) for name in Weights._fields})
    args = (leaf["P"], leaf["Q"], weights, case["spec"], *case["ok"])
    assert torch.equal(tile_forward(*args), tile_forward(*args, backend="cpu"))
    more = (case["target"], case["dist_weight"].float())
    assert torch.equal(tile_loss(*args, *more), tile_loss(*args, *more, backend="cpu"))


@pytest.fixture
def unwritable(monkeypatch, tmp_path):
    """Neither the library's folder nor the user's cache can be written to; the temporary one is."""
    library = tmp_path / "library"
    library.mkdir()
    library.joinpath("cache.py").write_text("")
    library.joinpath("__pycache__").write_text("a file, so that no folder can be made")
    home = tmp_path / "home"
    home.write_text("")
    monkeypatch.setattr(cache, "__file__", str(library / "cache.py"))
    monkeypatch.setattr(cache.numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return tmp_path / "temporary"


def test_all_compiled_loops_share_the_kernels_own_threads(repo_root):
    """Numba's would come on top of what a job was given, and wait by spinning."""
    paths = [*(repo_root / "workflow").rglob("*.py")]
    assert paths
    assert [p for p in paths if re.search(r"parallel=True|prange", p.read_text())] == []


def test_the_kernels_have_the_threads_that_torch_was_given():
    code = "from chromloom.kernels.threads import n_threads; assert n_threads() == 1"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(chromloom.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_compiled_code_finds_a_folder_where_none_is_writable(unwritable):
    folder = Path(cache.find_cache())
    assert folder.is_relative_to(unwritable)
    assert folder.stat().st_mode & 0o077 == 0


def test_compiled_code_is_not_read_from_a_folder_that_others_can_write_to(unwritable):
    own = unwritable / f"chromloom-{os.getuid()}"
    own.mkdir(parents=True)
    own.chmod(0o777)
    assert cache.find_cache() == ""
    own.rmdir()
    own.symlink_to(unwritable)
    assert cache.find_cache() == ""


def test_compiled_code_is_made_anew_when_any_file_of_the_kernels_changes(unwritable):
    before = cache.find_cache()
    Path(cache.__file__).with_name("simd.py").write_text("LANES = 4")
    assert cache.find_cache() not in ("", before)


def test_compiled_code_lies_in_the_folder_and_other_code_is_left_alone():
    from numba import njit

    from chromloom.kernels import counts, forward

    for function in (forward.forward_blocks, counts.some_rows):
        assert function._cache.cache_path.startswith(cache.FOLDER)
    assert not njit(cache=True)(draw_case)._cache.cache_path.startswith(cache.FOLDER)


def test_processes_that_compile_for_two_types_at_once_keep_two_codes(tmp_path, monkeypatch):
    first, second = (cache.FilesBySignature(str(tmp_path), "f", "stamp") for _ in range(2))
    save_index = first._save_index

    def late(overloads):
        second.save(("float64",), "for float64")
        save_index(overloads)

    monkeypatch.setattr(first, "_save_index", late)
    first.save(("float32",), "for float32")
    assert first.load(("float32",)) == "for float32"
    assert first.load(("float64",)) is None  # not known to the index: it is compiled again
    second.save(("float64",), "for float64")
    assert (first.load(("float32",)), first.load(("float64",))) == ("for float32", "for float64")


def test_sixteen_bit_targets_are_decoded_exactly():
    codes = torch.arange(0, 2**16, dtype=torch.int32)
    half = codes.to(torch.int16).view(torch.float16)
    fixed = codes.to(torch.uint16)
    H, L = 4, 4096
    zero = torch.zeros(16, 4 * H), torch.zeros(16 + L - 1, 4 * H)
    weights = Weights(
        *[torch.zeros(4 * H, H), torch.zeros(4 * H), *[None] * 6, torch.zeros(H)], 0 * zero[0][0, 0]
    )
    ok = torch.ones(16, dtype=torch.bool), torch.ones(16 + L - 1, dtype=torch.bool)
    for target in (half, fixed):
        target = target.reshape(L, 16)
        value, known = reference.decode_target(target, torch.float64)
        for t in np.random.default_rng(0).integers(0, L, 12):
            weight = torch.zeros(L)
            weight[t] = 1
            C = torch.zeros(16 + L - 1, 1).requires_grad_()
            A = torch.ones(16, 1).requires_grad_()
            loss = tile_loss(*zero, weights, Spec(H), *ok, target, weight, A=A, C=C)
            loss.backward()
            expected = -2 * torch.where(known, value, 0.0)[t]
            torch.testing.assert_close(C.grad[t : t + 16, 0].double(), expected, rtol=3e-7, atol=0)


FORK = """
import multiprocessing
import warnings

import torch

from chromloom.kernels import Spec, Weights, kernel_threads_only, tile_forward

warnings.simplefilter("ignore")  # fork with threads: what is tested
torch.set_num_threads(2)
H, B, L = 4, 150, 5
generator = torch.Generator().manual_seed(9)
P, Q, U = (torch.randn(n, 4 * H, generator=generator) for n in (B, B + L - 1, H))
weights = Weights(U.T.contiguous(), torch.zeros(4 * H), *6 * [None], torch.ones(H), torch.zeros(()))
spec = Spec(hidden=H, norm_input=False, norm_recurrent=False, norm_cell=False)
args = (P, Q, weights, spec, torch.ones(B, dtype=bool), torch.ones(B + L - 1, dtype=bool))
expected = float(tile_forward(*args).sum())
with kernel_threads_only():
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(
        target=lambda: results.put(float(tile_forward(*args).sum())), daemon=True
    )
    child.start()
child.join(60)
assert child.exitcode == 0
assert results.get() == expected
"""


def test_a_forked_process_has_its_own_threads():
    """Else it would wait for those of its parent for ever.

    In a process of its own, since some libraries that other tests load do not survive a fork.
    """
    path = str(Path(chromloom.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", FORK], check=True, env=environment, timeout=100)
