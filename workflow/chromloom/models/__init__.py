"""Models: Hi-C-LSTM in its presets, models of comparison, decoders, and how they are used.

`registry` is the table of all of them; `settings` what their settings share; `hiclstm` settings,
torch module and use of Hi-C-LSTM, and the published code's model (`released`); `baselines` leading
eigenvectors (`eig`) and models of vectors (`vectors`: what `pca`, `sniper`, `sci` and `sbcid` have
in common, `rows` the sparse contacts that they read); `decoders` LSTM, CNN and FC of any
representation; `trained` what every later room opens. Fitting of Hi-C-LSTM and of decoders lives
in `chromloom.training`.
"""
