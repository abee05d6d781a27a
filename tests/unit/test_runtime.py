"""Benchmark files of jobs, read and summed."""

import pytest

from chromloom.runtime import read_benchmarks, summarise_costs

HEAD = "s\th:m:s\tmax_rss\tcpu_time\n"


@pytest.fixture
def jobs(tmp_path):
    files = {
        "train_model/A.10000.ICE.eig.tsv": "2.0\t0:00:02\t300\t1.5\n",
        "train_model/A.10000.ICE.sci.tsv": "8.0\t0:00:08\t500\t9.5\n",
        "fig3.tsv": "0.1\t0:00:00\t-\t0.0\n",
    }
    for name, row in files.items():
        path = tmp_path / "benchmarks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + row)
    return read_benchmarks(tmp_path / "benchmarks" / name for name in files)


def test_files_name_their_rule_and_job(jobs):
    assert jobs["rule"].tolist() == ["train_model", "train_model", "fig3"]
    assert jobs["job"].tolist() == ["A.10000.ICE.eig", "A.10000.ICE.sci", ""]
    assert jobs["max_rss"].isna().tolist() == [False, False, True]  # a job too short to sample


def test_costs_are_sums_and_largest_by_group(jobs):
    costs = summarise_costs(jobs, "rule")
    assert costs.index.tolist() == ["train_model", "fig3"]
    row = costs.loc["train_model"]
    assert (row["jobs"], row["median_s"], row["longest_s"]) == (2, 5, 8)
    assert (row["cpu_s"], row["memory_mb"]) == (11, 500)
