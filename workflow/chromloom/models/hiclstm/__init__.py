"""Hi-C-LSTM: settings of its presets, its torch module, and the model of the published code."""
