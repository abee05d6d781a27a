"""chromloom: learn, explain and edit 3D-genome maps.

Nothing is imported here; every room (`chromloom.contacts`, `chromloom.kernels`, …) is imported by
name, so that a job loads only what it needs.
"""

__version__ = "0.1.0"
