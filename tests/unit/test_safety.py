"""What a user's files cannot do: run code when read, leave the results folder, reach a shell."""

import ast
import pickle
import shlex
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chromloom.edits.read import read_edits
from chromloom.errors import InputError
from chromloom.models.hiclstm.released import read_published
from chromloom.sheets import NAME

CALLS = {
    "eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "joblib.load",
    "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "marshal.loads",
}  # fmt: skip
MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "subprocess"}


def sources(repo_root):
    found = [*(repo_root / "workflow").rglob("*.py")]
    assert len(found) > 50
    return found


def test_no_module_reads_pickles_or_calls_a_shell(repo_root):
    for path in sources(repo_root):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {node.module.partition(".")[0]}
            else:
                names = set()
            assert not names & MODULES, (path, names)
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in CALLS, (path, ast.unparse(node))


def test_everything_that_could_unpickle_is_told_not_to(repo_root):
    found = 0
    for path in sources(repo_root):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert options.get("allow_pickle", "False") == "False", path
            assert options.get("shell", "False") == "False", path
            if ast.unparse(node.func) == "torch.load":
                found += 1
                assert options.get("weights_only") == "True", path
    assert found  # the released checkpoints


def test_no_rule_runs_a_shell_command(repo_root):
    paths = [*(repo_root / "rules").glob("*.smk")]
    assert paths
    for path in paths:
        for directive in ("shell:", "run:"):
            assert f"\n    {directive}" not in path.read_text(), path


class Touch:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    mark, path = tmp_path / "mark", tmp_path / "checkpoint.pth"
    torch.save({"weights": Touch(mark)}, path)
    with pytest.raises(InputError, match=r"checkpoint\.pth"):
        read_published(path)
    assert not mark.exists()
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Touch(mark)))
    with pytest.raises(InputError, match=r"plain\.pkl"):
        read_published(tmp_path / "plain.pkl")
    assert not mark.exists()


@given(name=st.from_regex(NAME, fullmatch=True))
def test_a_name_that_is_accepted_stays_in_its_folder_and_is_one_word_of_a_shell(name):
    folder = Path("/results/contacts")
    assert (folder / f"{name}.mcool").resolve().parent == folder
    assert shlex.quote(name) == name
    assert not name.startswith("-")


@pytest.mark.parametrize("name", ["../a", "a/b", "a b", "$(id)", "a;b", "-rf", "a.b", "a\nb", "é"])
def test_names_that_a_path_or_a_shell_would_mind_are_refused(name):
    assert not NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["../a", "a/b", "a b", "$(id)", "a;b", "-rf", "a.b", "é", '"'])
def test_edits_are_named_so_that_a_path_and_a_shell_do_not_mind(name, tmp_path):
    edits = tmp_path / "edits.bed"
    edits.write_text(f"chr1\t1000000\t2000000\tDEL:{name}\n")
    (edit,) = read_edits(edits)
    assert NAME.fullmatch(edit.edit)
    assert edit.id == name
