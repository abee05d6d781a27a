"""What a Hi-C user looks at first, of observed and predicted maps alike, by cooltools."""

from chromloom.analysis.analyse import analyse_map

__all__ = ["analyse_map"]
