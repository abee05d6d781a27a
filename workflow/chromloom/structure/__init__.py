"""Chromosomes as chains in three dimensions, fitted to maps."""
