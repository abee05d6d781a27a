"""The configuration and the sheets: defaults, and one clear message for every mistake."""

import pytest
import yaml

from chromloom.errors import InputError
from chromloom.sheets import check_config, check_references, read_sheet

HEADER = "sample\tcell_type\tassembly\tcontacts"


@pytest.fixture
def schemas(repo_root):
    return repo_root / "workflow" / "schemas"


@pytest.fixture
def samples(tmp_path, schemas):
    def read(text):
        path = tmp_path / "samples.tsv"
        path.write_text(text)
        return read_sheet(path, schemas / "samples.schema.yaml", key="sample")

    return read


def test_defaults_are_filled_at_every_depth(schemas):
    config = check_config({"samples": "s.tsv", "contacts": {}}, schemas / "config.schema.yaml")
    assert config["contacts"]["resolutions"] == [10000]
    assert config["normalization"]["norms"] == ["ICE"]
    assert config["simulate"] is None
    simulated = {"samples": "s.tsv", "simulate": {}}
    assert check_config(simulated, schemas / "config.schema.yaml")["simulate"]["seed"] == 1


def test_every_key_of_the_schema_says_what_it_is(schemas):
    def leaves(schema, path=()):
        for key, rule in schema.get("properties", {}).items():
            if "properties" in rule:
                if "default" in rule:
                    yield (*path, key), rule
                yield from leaves(rule, (*path, key))
            else:
                yield (*path, key), rule

    for file in schemas.glob("*.schema.yaml"):
        schema = yaml.safe_load(file.read_text())
        for path, rule in leaves(schema):
            assert rule.get("description"), (file.name, path)
            optional = path[-1] not in schema.get("required", [])
            if file.name == "config.schema.yaml" and optional:
                assert "default" in rule, path


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"samples": "s", "trainng": {}}, r"unknown key 'trainng'; did you mean 'training'\?"),
        ({"samples": "s", "contacts": {"resolution": [1]}}, "'contacts': unknown key 'resolution'"),
        ({"samples": "s", "contacts": {"resolutions": 5}}, r"bin sizes .*brackets: \[5\]"),
        ({"samples": "s", "contacts": {"resolutions": ["1e4"]}}, "bin sizes in bp.*; write 10000"),
        ({"samples": "s", "contacts": {"resolutions": ["10kb"]}}, "write a number without a unit"),
        ({"samples": "s", "normalization": {"tol": "1e-5"}}, "tolerance.*; write 1e-05"),
        ({"samples": "s", "contacts": {"chromosomes": [2]}}, "to keep.*; write it in quotes: '2'"),
        ({"samples": "s", "training": None}, "'training'.*; give it a value, or leave the key out"),
        ({"samples": "s", "predictors": {"Mine": {}}}, "'Mine' is not of lower-case letters"),
        ({"samples": "s", "seed": -1}, "-1 is less than the minimum of 0; expected: seed"),
        ({"samples": "s", "training": {"options": {"a" * 81: {}}}}, "'training.options'.*aaa"),
        ({}, "'samples' is a required property"),
        ({"samples": "s", "device": "gpu"}, "'device'.*'gpu'.*expected: device that models"),
        ({"samples": "s", "contacts": {"resolutions": ["10kb"]}}, "contacts.resolutions.0.*10kb"),
    ],
)
def test_a_wrong_config_is_named_with_its_remedy(schemas, config, message):
    with pytest.raises(InputError, match=message):
        check_config(config, schemas / "config.schema.yaml")


def test_a_sheet_is_read_with_its_optional_columns(samples):
    sheet = samples(
        f"# my maps\n{HEADER}\tagainst\nA\tGM12878\thg19\ta.hic\tB\nB\tGM12878\thg19\tb.hic\t\n"
    )
    assert list(sheet.index) == ["A", "B"]
    assert sheet.against.to_dict() == {"A": "B", "B": ""}
    assert sheet.models["A"] == ""


@pytest.mark.parametrize("ending", ["\t\n", "\t\t\t\n", "\r\n", "\t \r\n"])
def test_cells_that_a_spreadsheet_leaves_at_the_end_of_rows_move_nothing(samples, ending):
    sheet = samples(f'{HEADER}\nA\tGM\tmy.chrom.sizes\tn.cool{ending}NA\tGM\thg19\t"a,b"\n')
    assert sheet["contacts"].to_dict() == {"A": "n.cool", "NA": "a,b"}
    with pytest.raises(InputError, match="line 2: 'x' stands beyond the 4 columns"):
        samples(f"{HEADER}\nA\tGM\thg19\tn.cool\tx\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sample\tcell_type\tcontacts\nA\tx\ta.hic\n",
            r"samples\.tsv: column 'assembly' is missing",
        ),
        (f"{HEADER}\nA\tx\thg19\ta\nA\tx\thg19\tb\n", "sample 'A' occurs in more than one row"),
        (f"{HEADER}\nA\tx\thg19\ta\na\tx\thg19\tb\n", "sample 'A' and 'a' differ in case only"),
        (
            f"{HEADER}\tagaints\nA\tx\thg19\ta\tB\n",
            r"unknown column 'againts'; did you mean 'against'\?",
        ),
        (f"{HEADER}\n../A\tx\thg19\ta\n", r"sample '\.\./A' cannot be part of a file name"),
        (f"{HEADER}\nA.1\tx\thg19\ta\n", r"sample 'A\.1' cannot be part of a file name"),
        (f"{HEADER}\n{'A' * 81}\tx\thg19\ta\n", "A' cannot be .* use at most 80 letters"),
        (f"{HEADER}\nA\t\thg19\ta\n", "line 2: column 'cell_type' is empty"),
        (
            f"{HEADER}\tresolutions\nA\tx\thg19\ta\t10kb\n",
            "'resolutions'.*10kb.*expected: bin sizes",
        ),
        ("", "is empty; expected a header with sample, cell_type"),
    ],
)
def test_a_wrong_sheet_is_named_with_its_remedy(samples, text, message):
    with pytest.raises(InputError, match=message):
        samples(text)


def test_a_missing_sheet_is_named(tmp_path, schemas):
    with pytest.raises(InputError, match=r"none\.tsv does not exist"):
        read_sheet(tmp_path / "none.tsv", schemas / "samples.schema.yaml", key="sample")


def test_a_reference_to_an_unknown_row_is_named(samples):
    sheet = samples(f"{HEADER}\tagainst\nrep1\tx\thg19\ta\trep3\n")
    with pytest.raises(InputError, match=r"sample 'rep1': against 'rep3' is not known"):
        check_references(sheet, "against", ["rep1"], path="samples.tsv")
