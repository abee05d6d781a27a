"""Predicted maps, and the one evaluator that scores them against observed ones."""
