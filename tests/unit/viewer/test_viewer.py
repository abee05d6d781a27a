"""Layers are found, read as they are in the files, and handed out by id to this machine alone."""

import http.client
import json
import threading
import warnings

import numpy as np
import pytest

from chromloom.errors import InputError
from chromloom.signals.store import SignalStore
from chromloom.viewer.catalogue import Catalogue, Layer
from chromloom.viewer.read import list_variants, read_features, read_layer, read_track
from chromloom.viewer.server import make_server

BIN, N = 10_000, 200  # of the study's chromosome


@pytest.fixture(scope="module")
def catalogue(study):
    return Catalogue(study)


@pytest.fixture(scope="module")
def ask(catalogue):
    """A function that asks the running server for a path and returns status and content."""
    with make_server(catalogue) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def request(path, host="localhost:1", method="GET"):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
            connection.request(method, path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

        yield request
        server.shutdown()


def find(layers, kind):
    return next(layer for layer in layers.values() if layer.kind == kind)


def test_every_kind_of_layer_is_found(catalogue):
    kinds = [layer.kind for layer in catalogue.maps.values()]
    assert kinds == ["observed", "predicted", "wild type", "edited", "difference"]
    assert [layer.label for layer in catalogue.tracks.values()] == ["E1: A.10000.ICE"]
    kinds = [layer.kind for layer in catalogue.features.values()]
    assert kinds == ["genes", "variants", "boundaries"]
    assert find(catalogue.maps, "edited").label == "edited: gone A.10000.ICE.model"
    assert catalogue.describe()["maps"][0]["chroms"] == {"chr1": N * BIN}  # chr2 has no pixels


def test_a_folder_without_maps_is_refused(tmp_path):
    with pytest.raises(InputError, match="no map to look at"):
        Catalogue(tmp_path)


def test_links_out_of_the_study_are_not_followed(study, tmp_path):
    (tmp_path / "results/normalized").mkdir(parents=True)
    own = study / "results/normalized/A.10000.ICE.cool"
    (tmp_path / "results/normalized/A.10000.ICE.cool").symlink_to(own)
    with pytest.raises(InputError, match="no map"):
        Catalogue(tmp_path)


@pytest.mark.parametrize("kind", ["observed", "predicted"])
@pytest.mark.parametrize(("bins", "factor"), [(200, 1), (100, 2), (99, 4), (60, 4), (25, 8)])
def test_squares_are_means_over_pairs_of_bins(kind, bins, factor, catalogue, dense):
    values, start, resolution = read_layer(find(catalogue.maps, kind), "chr1", 0, N * BIN, bins)
    expected = dense * (0.9 if kind == "predicted" else 1)
    near = np.abs(np.subtract(*np.indices((N, N)))) < 2
    if kind == "observed":  # pairs closer than ignore_diags
        expected[near] = np.nan if factor == 1 else 0
    if factor == 1:
        expected[7], expected[:, 7] = np.nan, np.nan
    n = N // factor
    expected = expected.reshape(n, factor, n, factor).mean((1, 3))
    if kind == "observed" and factor == 2:
        np.fill_diagonal(expected, np.nan)
    assert (start, resolution) == (0, factor * BIN)
    if kind == "predicted":  # larger bins in the file hold one triangle of the pairs within them
        np.fill_diagonal(values, 0)
        np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_a_stretch_is_widened_to_whole_bins_and_ends_with_the_chromosome(catalogue, dense):
    layer = find(catalogue.maps, "observed")
    values, start, _ = read_layer(layer, "chr1", 1_985_000, 10**9, 10**6)
    assert (start, len(values)) == (1_980_000, 2)
    values, start, _ = read_layer(layer, "chr1", 1_000_001, 1_039_999, 10)
    assert (start, len(values)) == (1_000_000, 4)
    assert values[0, 3] == pytest.approx(dense[100, 103])


def test_tracks_are_means_and_say_where_nothing_is_known(catalogue):
    track = find(catalogue.tracks, "E1")
    values = read_track(track, "chr1", 0, N * BIN, 100)
    expected = np.sin(np.arange(0, 180) * BIN / 2e5).reshape(90, 2).mean(1)
    np.testing.assert_allclose(values[:90], expected, rtol=1e-5)
    assert values[90:] == [None] * 10
    assert read_track(track, "chrX", 0, BIN, 2) == [None, None]
    finer = read_track(track, "chr1", 0, BIN, 4)  # narrower than a bin: its value
    assert finer == [pytest.approx(0.0)] * 4


def test_signals_are_read_from_their_store(tiny_signals_path):
    with SignalStore(tiny_signals_path) as store:
        signal, size = store.signals[0], store.bin_size
        expected = store.read("chr1", 0, 600, [signal])[0].reshape(100, 6)
    layer = Layer("signal", "", tiny_signals_path, signal)
    values = np.array(read_track(layer, "chr1", 0, 600 * size, 100), dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts without a value
        np.testing.assert_allclose(values, np.nanmean(expected, axis=1), rtol=1e-5)


def test_features_of_a_stretch(catalogue):
    genes, variants = (find(catalogue.features, kind) for kind in ("genes", "variants"))
    (gene,) = read_features(genes, "chr1", 0, N * BIN)
    assert (gene["name"], gene["strand"]) == ("MYC", "+")
    assert read_features(genes, "chr1", 560_000, N * BIN) == []
    assert [variant["name"] for variant in list_variants(variants)] == ["gone"]
    boundaries = find(catalogue.features, "boundaries")
    assert [f["start"] for f in read_features(boundaries, "chr1", 0, 10**6)] == [390_000, 790_000]


def test_an_annotation_of_the_user_takes_the_place_of_the_genes(study, tmp_path):
    (tmp_path / "genes.bed").write_text("chr1\t10\t20\tENSG1\tTP53\t-\n")
    genes = find(Catalogue(study, tmp_path / "genes.bed").features, "genes")
    (gene,) = read_features(genes, "chr1", 0, 100)
    assert (gene["start"], gene["strand"]) == (10, "-")


def test_the_server_gives_layers_by_id(ask):
    status, headers, page = ask("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"://" not in page  # nothing of the internet
    assert json.loads(ask("/catalogue")[2])["features"][0]["kind"] == "genes"
    status, headers, content = ask("/map/map0?chrom=chr1&start=0&end=2000000&bins=50")
    assert (status, headers["X-Resolution"], headers["X-Bins"]) == (200, "40000", "50")
    assert np.frombuffer(content, "<f4").size == 2500
    assert len(json.loads(ask("/track/track0?chrom=chr1&start=0&end=9&bins=3")[2])) == 3
    assert json.loads(ask("/features/features0?chrom=chr1&start=0&end=9")[2]) == []
    assert json.loads(ask("/variants/features1")[2])[0]["end"] == 700_000


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "/results/variants/A.edits.tsv", "/map/../../x", "/map/map99"),
        *("/map/map0", "/map/map0?chrom=chr1&start=5&end=1", "/map/map0?chrom=chr9&start=0&end=9"),
        *("/map/map0?chrom=chr1&start=0&end=9&bins=99999", "/map/track0?chrom=chr1&start=0&end=9"),
    ],
)
def test_what_is_not_in_the_catalogue_is_not_found(path, ask):
    assert ask(path)[0] == 404


def test_the_server_only_reads_and_answers_this_machine_alone(ask):
    assert ask("/catalogue", host="elsewhere.example:1")[0] == 403
    assert ask("/catalogue", host="127.0.0.1:1")[0] == 200
    assert ask("/catalogue", host="localhost")[0] == 200  # forwarded from the port of the web
    assert ask("/catalogue", method="POST")[0] == 501


def test_a_taken_port_is_refused_with_the_remedy(catalogue):
    with make_server(catalogue) as server:
        assert server.server_address[0] == "127.0.0.1"
        with pytest.raises(InputError, match="--port 0"):
            make_server(catalogue, server.server_port)
