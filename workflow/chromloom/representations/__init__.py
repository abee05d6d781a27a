"""The bins x d table: written, read and exported; one row per bin of the genome."""
