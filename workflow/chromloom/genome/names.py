"""Chromosome names: matching those of a file to those of an assembly, and choosing some."""

import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from chromloom.errors import InputError

logger = logging.getLogger(__name__)


_ONES = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
_MITOCHONDRIA = {"m", "mt", "mito", "mitochondrion", "dmel_mitochondrion_genome"}


def harmonise_names(
    names: Iterable[str] | Mapping[str, int] | pd.Series,
    chromsizes: pd.Series,
    *,
    source: str,
    length_tolerance: int = 0,
) -> dict[str, str]:
    """Match a file's chromosome names with the assembly's.

    A `chr` prefix, case, leading zeros and the spellings of the mitochondrion are no difference,
    and roman numerals are not where one side counts I, II, ... and the other 1, 2, ...; everything
    else is (chr2L stays an arm).

    Parameters
    ----------
    names : iterable of str, or mapping or Series name -> length
        Names in the file. Lengths in bp are compared with the assembly's when they are given.
    chromsizes : pandas.Series
        The assembly's names and lengths.
    source : str
        File or sample, for the message.
    length_tolerance : int
        Largest difference of lengths in bp that is taken for the same chromosome (another patch of
        the assembly). A mitochondrion of another length is left out with a warning: several
        sequences are in use (hg19: 16,571 bp at UCSC, 16,569 in juicer).

    Returns
    -------
    dict
        Name in the file -> name in the assembly; sequences the assembly lacks are left out.

    Raises
    ------
    InputError
        No name matches, two names are the same chromosome, or lengths disagree.
    """
    lengths = dict(names) if isinstance(names, Mapping | pd.Series) else None
    names = [str(name) for name in (lengths if lengths is not None else names)]
    matched = match_names(names, chromsizes)
    taken: dict[str, str] = {}
    for name, chrom in matched.items():
        if chrom is not None and taken.setdefault(chrom, name) != name:
            raise InputError(
                f"{source}: chromosomes '{taken[chrom]}' and '{name}' are both {chrom}; keep one"
            )
    if not taken:
        raise InputError(
            f"{source}: none of its chromosome names ({some_names(names)}) is one of the "
            f"assembly's ({some_names(chromsizes.index)}); name the assembly that the file was "
            "made with, or give its chromsizes file"
        )
    if lengths is not None:
        for chrom, name in list(taken.items()):
            length, expected = int(lengths[name]), int(chromsizes[chrom])
            if abs(length - expected) <= length_tolerance:
                continue
            if _name_key(chrom) == "m":
                logger.warning(
                    "%s: %s left out, its %d bp are another sequence than the assembly's %d bp",
                    source,
                    name,
                    length,
                    expected,
                )
                del taken[chrom]
                continue
            raise InputError(
                f"{source}: chromosome {name} has {length:,} bp, {chrom} of the assembly "
                f"{expected:,} bp; name the assembly that the file was made with, or give its "
                f"chromsizes file (length_tolerance is {length_tolerance} bp: raise it only for "
                "another patch of the same assembly)"
            )
    left_out = [name for name in names if name not in taken.values()]
    if left_out:
        logger.info(
            "%s: %d sequences not in the assembly are left out: %s",
            source,
            len(left_out),
            some_names(left_out),
        )
    return {name: chrom for chrom, name in taken.items()}


def match_names(names: Iterable[str], chromsizes: pd.Series) -> dict[str, str | None]:
    """The assembly's name of each name by the rules of `harmonise_names`, None where it has none.

    A name equal to the assembly's wins over one that has to be translated.
    """
    keys = {name: _name_key(name) for name in map(str, names)}
    by_key = {_name_key(chrom): chrom for chrom in chromsizes.index}
    by_key = _other_numerals(by_key, set(keys.values())) | by_key
    return {n: n if n in chromsizes.index else by_key.get(key) for n, key in keys.items()}


def _other_numerals(by_key: Mapping[str, str], keys: set[str]) -> dict[str, str]:
    """Names of the assembly by numbers where it counts I, II, ..., or by numerals where 1, 2, ...

    An X is a chromosome of its own, as in C. elegans and man, where no IX stands beside it.
    """
    pairs = [(str(number), roman) for number, roman in enumerate(_romans(), start=1)]
    if {"i", "ii"} <= set(by_key):
        run = itertools.takewhile(lambda pair: pair[1] in by_key, pairs)
        return {number: by_key[roman] for number, roman in run}
    return {
        roman: by_key[number]
        for number, roman in pairs
        if number in by_key and (roman != "x" or "ix" in keys)
    }


def _romans() -> Iterator[str]:
    """i, ii, ... xxxix."""
    for tens, ones in itertools.product(("", "x", "xx", "xxx"), _ONES):
        if tens or ones:
            yield tens + ones


def _name_key(name: str) -> str:
    key = re.sub(r"^(chromosome|chrom|chr)[_.]?", "", str(name).strip().lower()) or name.lower()
    key = re.sub(r"^0+(?=\d)", "", key)
    return "m" if key in _MITOCHONDRIA else key


def some_names(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(f"'{name}'" for name in names[:4]) + (", …" if len(names) > 4 else "")


def select_chromosomes(
    chroms: Iterable[str] | None, chromsizes: pd.Series, *, source: str
) -> list[str]:
    """Names of the assembly for the chromosomes that a user asked for; None is all of them.

    Raises
    ------
    InputError
        A name is not in the assembly (`source` says where it was asked for).
    """
    if chroms is None:
        return list(chromsizes.index)
    chroms = [str(chrom) for chrom in chroms]
    matched = match_names(chroms, chromsizes)
    unknown = [chrom for chrom, match in matched.items() if match is None]
    if unknown or not chroms:
        raise InputError(
            f"{source}: chromosomes {some_names(unknown) or '(none)'} are not in the assembly; it "
            f"has {some_names(chromsizes.index)}"
        )
    return list(dict.fromkeys(match for match in matched.values() if match is not None))
