"""Fitting models to normalised maps.

`models` trains any model by its name; `fit` holds the entry points of Hi-C-LSTM, `train` and
`fine_tune`, `baselines` that of the models of comparison, `decode` that of decoders; `targets`
turns a map into 16-bit targets by block of rows, `tiles` draws their order, `learner` makes one
step, `released` is the same for the published code's model, `likelihood` fits the count model, and
`loop` is the Lightning loop with resumable state.
"""
