"""The rivals of Chromoformer's article, one file each, and what their settings share."""
