"""Signals along the genome: bigWigs and other tracks, read and written by bins."""
