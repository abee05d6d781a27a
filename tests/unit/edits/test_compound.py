"""Several edits of one haplotype, junctions of chains, bases: made one after another."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chromloom.edits.bins import lay_out, unfit
from chromloom.edits.edit import Edit, put_together
from chromloom.edits.pieces import Piece, edited_chromosomes, length, take
from chromloom.edits.read import edit_table, read_edits, read_rows
from chromloom.errors import InputError
from chromloom.files import write_tsv
from chromloom.genome.bins import Bins, make_bins

SIZES = pd.Series({"A": 100, "B": 60, "C": 40})
BINS = Bins(make_bins(SIZES, 10), 10)


def step(kind, start, end=None, chrom="A", **more):
    return Edit("", kind, chrom, start, start if end is None else end, **more)


def junction(chrom, at, strand, chrom2, at2, strand2):
    return Edit("", "translocation", chrom, at, at, chrom2, at2, at2, strand, strand2)


def made(*steps):
    """Every chromosome that steps change, spelled: (chrom, base) of the reference, or a letter."""
    return {
        chrom: [base for piece in pieces for base in spelled(piece)]
        for chrom, pieces in edited_chromosomes(put_together("e", steps), SIZES).items()
    }


def spelled(piece):
    bases = [*piece.bases] or [(piece.chrom, at) for at in range(piece.start, piece.end)]
    return bases if piece.strand == "+" else bases[::-1]


def run(chrom, start, end):
    return [(chrom, at) for at in (range(start, end) if start <= end else range(start, end, -1))]


def test_steps_are_in_coordinates_of_the_reference():
    first, second = step("deletion", 10, 20), step("deletion", 50, 70)
    expected = run("A", 0, 10) + run("A", 20, 50) + run("A", 70, 100)
    assert made(first, second) == made(second, first) == {"A": expected}


def test_a_step_acts_where_its_region_lies_now():
    inverted = step("inversion", 20, 60)
    expected = run("A", 0, 20) + run("A", 59, 39) + run("A", 29, 19) + run("A", 60, 100)
    assert made(inverted, step("deletion", 30, 40)) == {"A": expected}
    twice = made(inverted, inverted)
    assert twice == {"A": run("A", 0, 100)}
    inserted = made(inverted, step("insertion", 30, chrom2="B", start2=0, end2=5))["A"]
    assert inserted == run("A", 0, 20) + run("A", 59, 29) + run("B", 4, -1) + run("A", 29, 19) + (
        run("A", 60, 100)
    )


def test_a_copy_can_be_named():
    doubled = step("duplication", 20, 40)
    first = run("A", 0, 20) + run("A", 30, 40) + run("A", 20, 100)
    second = run("A", 0, 40) + run("A", 30, 100)
    assert made(doubled, step("deletion", 20, 30)) == {"A": first}
    assert made(doubled, step("deletion", 20, 30, copy=2)) == {"A": second}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([step("deletion", 20, 40), step("inversion", 30, 50)], "step 2: A:30 is not there"),
        ([step("duplication", 20, 40), step("deletion", 20, 30, copy=3)], "there are 2 copies"),
        ([step("inversion", 20, 40), step("deletion", 30, 50)], "no longer in one piece"),
        ([step("deletion", 0, 50), step("deletion", 50, 100)], "leaves nothing of A"),
        ([step("inversion", 0, 100), junction("A", 0, "+", "B", 20, "-")], "moved the end of A"),
        ([step("deletion", 50, 100), junction("A", 50, "-", "B", 20, "-")], "step removed it"),
        ([step("deletion", 0, 50), step("knockout", 60, 70)], "step 2: a step of kind knockout"),
        ([step("deletion", 0, 50), step("deletion", 60, 700)], "step 2: A:60-700 does not lie"),
    ],
)  # fmt: skip
def test_steps_that_cannot_be_made(steps, message):
    with pytest.raises(InputError, match=message):
        made(*steps)


def test_junctions_of_a_chain_join_three_chromosomes():
    chain = made(junction("A", 30, "+", "B", 20, "-"), junction("B", 50, "+", "C", 10, "-"))
    assert chain == {
        "A": run("A", 0, 30) + run("B", 20, 50) + run("C", 10, 40),
        "B": run("B", 0, 20) + run("A", 30, 100),
        "C": run("C", 0, 10) + run("B", 50, 60),
    }


@pytest.mark.parametrize("order", [1, -1])
def test_both_junctions_of_a_balanced_event_are_one_event(order):
    balanced = [junction("A", 30, "+", "B", 20, "-"), junction("B", 20, "+", "A", 30, "-")]
    assert made(*balanced[::order]) == {
        "A": run("A", 0, 30) + run("B", 20, 60),
        "B": run("B", 0, 20) + run("A", 30, 100),
    }
    turned = [junction("A", 30, "+", "A", 70, "+"), junction("A", 30, "-", "A", 70, "-")]
    assert made(*turned[::order]) == made(step("inversion", 30, 70))


def test_junctions_within_a_chromosome_mean_what_their_strands_say():
    assert made(junction("A", 30, "+", "A", 70, "-")) == made(step("deletion", 30, 70))
    assert made(junction("A", 30, "-", "A", 70, "+")) == made(step("duplication", 30, 70))


strands = st.sampled_from("+-")


@given(st.integers(1, 99), strands, st.integers(1, 59), strands)
def test_a_translocation_loses_nothing(at, strand, at2, strand2):
    both = made(junction("A", at, strand, "B", at2, strand2))
    assert sorted(both["A"] + both["B"]) == run("A", 0, 100) + run("B", 0, 60)
    kept = ("A", at - 1 if strand == "+" else at), ("B", at2 - 1 if strand2 == "+" else at2)
    neighbours = {frozenset(pair) for pair in zip(both["A"], both["A"][1:])}
    assert frozenset(kept) in neighbours


def test_stretches_of_pieces_are_those_of_their_bases():
    pieces = [Piece("A", 3, 7), Piece("", 0, 4, "-", "ACGT"), Piece("B", 0, 3, "-"),
              Piece("", 0, 2, bases="TG")]  # fmt: skip
    whole = [base for piece in pieces for base in spelled(piece)]
    for lo in range(len(whole) + 1):
        for hi in range(lo, len(whole) + 1):
            taken = take(pieces, lo, hi)
            assert [base for piece in taken for base in spelled(piece)] == whole[lo:hi]
            assert length(taken) == hi - lo


def test_bases_are_put_in_place_of_others():
    replaced = made(step("substitution", 5, 6, alt="T"))["A"]
    assert replaced == [*run("A", 0, 5), "T", *run("A", 6, 100)]
    gained = made(step("inversion", 0, 20), step("substitution", 5, 5, alt="TG"))["A"]
    assert gained == [*run("A", 19, 4), "G", "T", *run("A", 4, -1), *run("A", 20, 100)]
    one = step("substitution", 5, 6, alt="T")
    assert "use a model that reads sequence" in unfit(one, SIZES, 10)
    layout = lay_out(one, BINS, parts=True)
    assert layout.source.tolist() == list(range(10))
    assert [piece.bases for piece in layout.parts[0]] == ["", "T", ""]
    long = step("substitution", 5, 5, alt="T" * 40)
    with pytest.raises(InputError, match="nothing but inserted bases"):
        lay_out(long, BINS, parts=True)


@pytest.mark.parametrize("parts", [False, True])
def test_layouts_hold_all_chromosomes_that_change(parts):
    steps = junction("A", 30, "+", "B", 20, "-"), step("deletion", 40, 50, "B")
    edited = lay_out(put_together("e", steps), BINS, parts=parts)
    assert edited.source.tolist() == [0, 1, 2, 12, 13, 15]
    assert [one.chrom for one in edited.chromosomes] == ["A", "B"]
    assert edited.others[0].source.tolist() == [10, 11, *range(3, 10)]
    assert edited.span == (3, 5)
    sizes = {one.chrom: length(one.pieces) for one in edited.chromosomes}
    assert sizes == {"A": 60, "B": 90}


def test_ends_of_chromosomes_are_no_neighbours():
    """The first bin of B follows the last of A in number only."""
    fused = lay_out(junction("A", 100, "+", "B", 0, "-"), BINS)
    assert fused.source.tolist() == list(range(16))
    assert fused.run_end.tolist() == [10] * 10 + [16] * 6


def turned(bases):
    return [(chrom, at, "-" if strand == "+" else "+") for chrom, at, strand in bases[::-1]]


class Dense:
    """Chromosomes base by base, each with its strand: what steps mean, without pieces."""

    def __init__(self, sizes):
        self.whole = {c: [(c, at, "+") for at in range(n)] for c, n in sizes.items()}
        self.made = {}

    def make(self, step):
        for chrom in (step.chrom, step.chrom2 if step.kind == "translocation" else step.chrom):
            self.made.setdefault(chrom, self.whole[chrom])
        if step.kind == "translocation":
            first = self.side(step.chrom, step.start, step.strand)
            return self.join(*first, *self.side(step.chrom2, step.start2, step.strand2))
        if step.kind == "insertion" or step.start == step.end:
            name, lo, strand = self.border(step)
            hi = lo
        else:
            name, lo, hi, strand = self.region(step)
        own, new = self.made[name], []
        if step.kind == "duplication":
            new = 2 * own[lo:hi]
        elif step.kind == "inversion":
            new = turned(own[lo:hi])
        elif step.kind == "insertion":
            new = self.whole[step.chrom2][step.start2 : step.end2]
            new = new if step.strand2 == strand else turned(new)
        elif step.kind == "substitution":
            new = [("", base, "+") for base in step.alt]
            new = new if strand == "+" else turned(new)
        self.made[name] = own[:lo] + new + own[hi:]

    def find(self, chrom, base, copy=1):
        names = [chrom, *(name for name in self.made if name != chrom)]
        found = [
            (name, k, at[2])
            for name in names
            for k, at in enumerate(self.made[name])
            if at[:2] == (chrom, base)
        ]
        if len(found) < copy:
            raise InputError("gone")
        return found[copy - 1]

    def region(self, step):
        name, first, strand = self.find(step.chrom, step.start, step.copy)
        own, k = self.made[name], first
        while own[k] != (step.chrom, step.end - 1, strand):
            k += 1 if strand == "+" else -1
            if not 0 <= k < len(own):
                raise InputError("cut")
            if own[k][0] and not (own[k][0] == step.chrom and step.start <= own[k][1] < step.end):
                raise InputError("cut")
        return name, min(first, k), max(first, k) + 1, strand

    def border(self, step):
        """Before the base, or behind the one before it where it is gone."""
        there = [base for own in self.made.values() for base in own]
        behind = not {(step.chrom, step.start, "+"), (step.chrom, step.start, "-")} & {*there}
        name, k, strand = self.find(step.chrom, step.start - behind, step.copy)
        return name, k + (behind == (strand == "+")), strand

    def side(self, chrom, border, strand):
        """A chromosome, where it is cut, and whether what lies left of the cut is kept."""
        own, first = self.made[chrom], strand == "+"
        if border == (0 if first else len(self.whole[chrom])):
            if own and own[0 if first else -1] == self.whole[chrom][0 if first else -1]:
                return chrom, 0 if first else len(own), first
            raise InputError("moved")
        name, k, now = self.find(chrom, border - (strand == "+"))
        return name, k + (strand == now), strand == now

    def join(self, name, at, left, name2, at2, left2):
        own, other = self.made[name], self.made[name2]
        if name == name2:
            (lo, first), (hi, second) = sorted([(at, not left), (at2, not left2)])
            if (lo, first) == (hi, second):
                raise InputError("one side")
            parts = {(False, True): [], (True, False): 2 * own[lo:hi]}
            middle = parts.get((first, second), turned(own[lo:hi]))
            self.made[name] = own if lo == hi else own[:lo] + middle + own[hi:]
            return
        parts = (own[:at], own[at:]), (other[:at2], other[at2:])
        for new, keeps, keeps2 in ((name, left, left2), (name2, not left, not left2)):
            kept, kept2 = (a if own else b for (a, b), own in zip(parts, (keeps, keeps2)))
            kept2 = turned(kept2) if keeps == keeps2 else kept2
            self.made[new] = kept + kept2 if keeps else kept2 + kept


LITTLE, TRIES = {"A": 9, "B": 6}, 2000


def draw_step(rng):
    chrom, chrom2 = rng.permutation(["A", "A", "B", "B"])[:2].tolist()
    kind = rng.choice(["deletion", "duplication", "inversion", "inversion", "insertion",
                       "substitution", "translocation", "translocation"]).item()  # fmt: skip
    lo, hi = sorted(rng.choice(LITTLE[chrom] + 1, 2, replace=False).tolist())
    lo2, hi2 = sorted(rng.choice(LITTLE[chrom2] + 1, 2, replace=False).tolist())
    more, copy = {}, int(rng.choice([1, 1, 2]))
    if kind == "substitution":
        more, hi = {"alt": rng.choice(["T", "TG"]).item()}, rng.choice([lo, hi]).item()
    if kind in ("insertion", "translocation"):
        lo = hi = rng.choice([lo, hi]).item()
        hi2 = hi2 if kind == "insertion" else lo2
        more = {"chrom2": chrom2, "start2": lo2, "end2": hi2}
        more |= dict(zip(("strand", "strand2"), rng.choice(["+", "-"], 2).tolist()))
    return step(kind, lo, hi, chrom, copy=copy, **more)


def test_steps_mean_what_they_do_base_by_base():
    """Against chromosomes as lists of bases; what one refuses the other does."""
    rng, n_made = np.random.default_rng(0), 0
    for _ in range(TRIES):
        drawn = [draw_step(rng) for _ in range(rng.integers(1, 5))]
        edit, dense = put_together("e", drawn), Dense(LITTLE)
        dense.made[edit.chrom] = dense.whole[edit.chrom]
        try:
            for one in drawn:
                dense.make(one)
            if not dense.made[edit.chrom]:
                raise InputError("nothing left")
        except InputError:
            with pytest.raises(InputError):
                edited_chromosomes(edit, LITTLE)
            continue
        n_made += 1
        found = {
            chrom: [
                (piece.chrom, base, piece.strand)
                for piece in pieces
                for base in (spelled(piece) if piece.bases else [at for _, at in spelled(piece)])
            ]
            for chrom, pieces in edited_chromosomes(edit, LITTLE).items()
        }
        assert found == {chrom: own for chrom, own in dense.made.items() if own}, drawn
    assert n_made > TRIES / 3


SHEET = """\
edit\tcompound\tkind\tchrom\tstart\tend\tcopy
alone\t\tDEL\tA\t0\t10\t.
\ttwo\tDUP\tA\t20\t40\t
\ttwo\tDEL\tA\t20\t30\t2
"""


def test_sheets_name_the_steps_of_one_edit(tmp_path):
    (tmp_path / "e.tsv").write_text(SHEET)
    alone, two = read_edits(tmp_path / "e.tsv", chromsizes=SIZES)
    assert (alone.edit, alone.kind) == ("alone", "deletion")
    assert (two.edit, two.kind, two.chrom, two.start, two.end) == ("two", "compound", "A", 20, 40)
    assert [one.kind for one in two.steps] == ["duplication", "deletion"]
    write_tsv(edit_table(read_rows(tmp_path / "e.tsv", chromsizes=SIZES)), tmp_path / "again.tsv")
    again = read_edits(tmp_path / "again.tsv", chromsizes=SIZES)[1]
    assert edited_chromosomes(again, SIZES) == edited_chromosomes(two, SIZES)
    (tmp_path / "e.tsv").write_text(SHEET.replace("30\t2", "30\t3"))
    with pytest.raises(InputError, match="line 3: edit 'two', step 2: A:20 is not there"):
        read_edits(tmp_path / "e.tsv", chromsizes=SIZES)


def test_a_compound_edit_of_a_chromosome_that_is_not_kept_is_left_out(tmp_path):
    (tmp_path / "e.tsv").write_text(SHEET + "\ttwo\tDEL\tB\t20\t30\t\n")
    rows = read_rows(tmp_path / "e.tsv", chromsizes=SIZES, chromosomes=["A"])
    assert [(row.edit and row.edit.edit, row.reason) for row in rows] == [
        ("alone", ""), (None, "chromosome")
    ]  # fmt: skip


def test_junctions_of_one_event_are_one_edit(tmp_path):
    lines = ["##fileformat=VCFv4.3", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    ends = [
        ("A", 30_000, "a1", "T[B:20001[", "b1"), ("A", 30_041, "a2", "]B:19980]T", "b2"),
        ("B", 19_980, "b2", "T[A:30041[", "a2"), ("B", 20_001, "b1", "]A:30000]T", "a1"),
    ]  # fmt: skip
    lines += [f"{chrom}\t{at}\t{name}\tT\t{alt}\t.\t.\tSVTYPE=BND;EVENT=ev:1;MATEID={mate}"
              for chrom, at, name, alt, mate in ends]  # fmt: skip
    (tmp_path / "e.vcf").write_text("\n".join(lines) + "\n")
    sizes = 1000 * SIZES
    rows = read_rows(tmp_path / "e.vcf", chromsizes=sizes)
    assert [row.reason for row in rows] == ["", "event", "mate", "mate"]
    edit = rows[0].edit
    assert (edit.edit, edit.kind) == ("ev-1", "compound")
    pieces = edited_chromosomes(edit, sizes)
    assert [(p.chrom, p.start, p.end) for p in pieces["A"]] == [("A", 0, 30_000),
                                                                ("B", 20_000, 60_000)]  # fmt: skip
    assert sum(map(length, pieces.values())) == 160_000
