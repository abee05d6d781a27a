"""Fitting models to normalised maps.

`models` trains any model by its name; `fit` holds the entry points of Hi-C-LSTM, `train` and
`fine_tune`, `baselines` that of the models of comparison, `decode` that of decoders; `targets`
turns a map into 16-bit targets by block of rows, `tiles` draws their order, `learner` makes one
step, `loop` repeats it with resumable state, `released` is the same for the published model, and
`likelihood` fits the count model.
"""
