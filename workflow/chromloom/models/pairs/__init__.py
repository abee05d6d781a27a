"""Simple predictors of maps: regression on features of two bins and what lies between them."""
