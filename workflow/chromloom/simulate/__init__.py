"""The simulated genome: a genome whose plan is known, and the contact maps that follow from it.

`plan` draws the plan, `contacts` turns it into intensities and reads, `elements` derives loops,
domains, expression and the other label tables, `edits` rearranges it, `sequence` spells it in
DNA, `write` puts it on disk in the formats of real data.
"""
