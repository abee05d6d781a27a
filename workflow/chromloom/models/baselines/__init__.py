"""Models of comparison: eigenvectors, PCA, SNIPER, SCI, subcompartments."""
