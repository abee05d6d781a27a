"""How many threads the kernels use, and work shared among them.

The kernels have as many threads as torch, which takes the number from `OMP_NUM_THREADS`, as
Snakemake sets it for every job from the rule's `threads`.
"""

import contextlib
import functools
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import torch

_kept_threads = None


def n_threads() -> int:
    """Threads of the kernels: torch's, or as many as it had before `kernel_threads_only`."""
    return _kept_threads or torch.get_num_threads()


@contextlib.contextmanager
def kernel_threads_only():
    """Within it, the CPU kernels have torch's number of threads and torch itself has one.

    For loops of tiles: between two calls of a kernel there are only small operations of torch,
    whose threads would wait by spinning on the cores that the kernel's threads then need.
    """
    global _kept_threads
    before, outer = torch.get_num_threads(), _kept_threads
    _kept_threads = n_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _kept_threads = outer
        torch.set_num_threads(before)


@functools.lru_cache(1)
def _pool(n_threads, process):
    """Threads of this process (a forked one would wait for its parent's for ever)."""
    return ThreadPoolExecutor(n_threads, thread_name_prefix="kernels")


def share(work, n_items, n_threads, pieces=4):
    """Call work(lo, hi) over 0 … n_items, cut finer than the threads so that none waits long.

    This thread works too, and each takes the next piece when it is done with one: a thread is woken
    once a call, not once a piece.
    """
    if n_threads == 1 or n_items < 2:
        work(0, n_items)
        return
    n_pieces = min(n_items, pieces * n_threads)
    cuts = [n_items * k // n_pieces for k in range(n_pieces + 1)]
    spans = iter(list(itertools.pairwise(cuts)))

    def take_turns():
        for span in spans:
            work(*span)

    pool = _pool(n_threads - 1, os.getpid())
    helpers = [pool.submit(take_turns) for _ in range(min(n_threads, n_pieces) - 1)]
    take_turns()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
