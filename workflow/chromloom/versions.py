"""What the results of each room mean, as a number.

Snakemake re-runs a rule when its parameters change, not when the library does; the rules of a room
carry its number as a parameter. Bump the one whose results change.
"""

VERSIONS = {
    "simulate": 1,
    "contacts": 3,
    "sequence": 1,
    "signals": 1,
    "normalize": 1,
    "analysis": 2,
    "training": 8,
    "predictors": 9,
    "reconstruction": 6,
    "classification": 4,
    "attribution": 3,
    "edits": 3,
    "perturbation": 7,
    "variants": 6,
    "expression": 5,
    "structure": 1,
    "sequence_analysis": 4,
    "plotting": 2,
}
