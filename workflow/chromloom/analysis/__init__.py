"""What a Hi-C user looks at first, of observed and predicted maps alike, by cooltools."""
