"""The bins x d table: written, read and exported; one row a bin of the genome."""
