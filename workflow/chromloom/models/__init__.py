"""Models: Hi-C-LSTM in its three presets, models of comparison, decoders, and how they are used.

`hiclstm` settings and torch module; `released` the published code's model; `eig` leading
eigenvectors; `vectors` what `pca`, `sniper`, `sci` and `sbcid` have in common, `rows` the sparse
contacts that they read; `decoders` LSTM, CNN and FC of any representation; `trained` what every
later room opens. Fitting of Hi-C-LSTM and of decoders lives in `chromloom.training`.
"""
