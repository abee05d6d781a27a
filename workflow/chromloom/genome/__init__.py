"""The coordinates that every room shares: assemblies, chromosome names, bins, regions, intervals.

Coordinates are 0-based and half-open. Reading contacts is not done here (`chromloom.contacts`).
"""
