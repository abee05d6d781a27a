"""A simulated genome small enough for unit tests."""

import pytest

from chromloom.simulate.plan import make_plan


@pytest.fixture(scope="session")
def simulated():
    return make_plan(3, chromsizes={"chr1": 8_000_000, "chr2": 4_050_000}, resolution=20_000)
