"""Epiphany: stripes of a map from the signals around them, by convolutions and LSTMs."""
