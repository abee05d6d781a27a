"""Fitting models to normalised maps.

`fit` holds the two entry points, `train` and `fine_tune`; `targets` turns a map into 16-bit
targets by block of rows, `tiles` draws their order, `learner` makes one step, `released` is the
same for the published code's model, and `loop` is the Lightning loop with resumable state.
"""
