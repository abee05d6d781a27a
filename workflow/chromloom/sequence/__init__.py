"""DNA sequence: files of genomes, windows of them as codes, and motifs in them."""
