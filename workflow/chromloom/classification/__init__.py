"""Labels on bins, and how well representations predict them on held-out blocks."""
