"""Looking at the maps, tracks, genes and variants of a study in a browser, without the internet."""
