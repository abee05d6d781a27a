"""Contact maps of every format in; one `.mcool` of raw counts per sample and its quality table out.

`extract` writes the `.mcool`, `sniff` and `sources` recognise the format, `coolers`, `hic` and
`text` read it in chunks, `write` stores it, `thin` draws shallower maps and halves, `qc` tabulates.
Balancing is done in `chromloom.normalize`.
"""

from chromloom.contacts.extract import extract_contacts
from chromloom.contacts.qc import contacts_qc
from chromloom.contacts.sources import describe_contacts, stored_weights
from chromloom.contacts.thin import split_contacts, thin_contacts

__all__ = [
    "contacts_qc",
    "describe_contacts",
    "extract_contacts",
    "split_contacts",
    "stored_weights",
    "thin_contacts",
]
