"""Models: Hi-C-LSTM in its three presets, the eigenvector baseline, and how trained ones are used.

`hiclstm` settings and torch module; `released` the published code's model; `eig` leading
eigenvectors; `trained` what every later room opens. Fitting lives in `chromloom.training`.
"""
