"""Contact maps of every format in; one `.mcool` of raw counts per sample and its quality table out.

`extract` writes the `.mcool`, `sniff` and `sources` recognise the format, `coolers`, `hic` and
`text` read it in chunks, `write` stores it, `thin` draws shallower maps and halves, `qc` tabulates.
Balancing is done in `chromloom.normalize`.
"""
