"""The Triton kernels against the oracle: by Triton's interpreter, and on a GPU where one is."""

import functools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

ROOT = Path(__file__).resolve().parents[3]
CASES = [
    {"seed": 1, "H": 8, "D": 3, "B": 33, "L": 3},
    {"seed": 2, "H": 5, "D": 2, "B": 2, "L": 4, "norms": (False, False, False), "reverse": True},
    {"seed": 3, "H": 20, "D": 2, "B": 7, "L": 2, "norms": (True, False, True), "masked": 0.5},
]


def check(case, kind, device="cpu"):
    """Compare all values and gradients of one case with the float64 oracle."""
    sys.path.insert(0, str(Path(__file__).parent))
    from test_kernels import draw_case, relative_error, run

    from chromloom.kernels import autograd, gpu, reference

    functions = SimpleNamespace(
        **{
            name: functools.partial(getattr(autograd, name), backend=gpu)
            for name in ("tile_forward", "tile_loss")
        }
    )
    drawn = draw_case(**case)
    exact = run(reference, drawn, torch.float64, kind=kind)
    torch_single = run(reference, drawn, torch.float32, kind=kind)
    drawn["leaves"] = {k: v.to(device) for k, v in drawn["leaves"].items()}
    for name in ("ok", "outputs"):
        drawn[name] = tuple(part.to(device) for part in drawn[name])
    for name in ("target", "dist_weight", "exposure"):
        drawn[name] = drawn[name].to(device)
    single = run(functions, drawn, torch.float32, kind=kind)
    assert single.keys() == exact.keys()
    for name, value in exact.items():
        limit = max(1e-5, 3 * relative_error(torch_single[name], value))
        error = relative_error(single[name].cpu(), value)
        assert error <= limit, (case, kind, name, error)


def test_interpreted_kernels_match_the_oracle():
    pytest.importorskip("triton", reason="triton is not installed (no wheel for this platform)")
    code = (
        "import test_gpu\n"
        "for case, kind in zip(test_gpu.CASES, ('float16', 'float', 'uint16')):\n"
        "    test_gpu.check(case, kind)\n"
    )
    paths = [str(Path(__file__).parent), str(ROOT / "workflow")]
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("kind", ["float", "float16", "uint16"])
@pytest.mark.parametrize("hidden", [4, 8, 16, 32, 64, 128])
def test_kernels_on_the_gpu_match_the_oracle(hidden, kind):
    for case in CASES:
        check(case | {"H": hidden, "B": 200, "L": 40}, kind, "cuda")
