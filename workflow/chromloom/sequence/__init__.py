"""DNA sequence: genomes in FASTA, and motifs in them."""
