from chromloom.classification.labels import ELEMENTS, read_label_sheet, read_task
from chromloom.edits.read import read_rows, suffix_of
from chromloom.files import read_tsv, write_tsv
from chromloom.genome.assembly import load_assembly
from chromloom.genome.genes import read_genes
from chromloom.genome.intervals import read_intervals
from chromloom.logs import job_log
from chromloom.variants.annotate import annotate_vcf
from chromloom.variants.hits import both_ends, find_hits

params, source, output = snakemake.params, snakemake.input, snakemake.output
with job_log(snakemake.log[0]):
    chromsizes = load_assembly(params.assembly).chromsizes
    rows = read_rows(
        source.edits, chromsizes=chromsizes, chromosomes=params.chromosomes, **params.options
    )
    elements = {}
    if source.genes:
        elements["genes"] = read_genes(source.genes, chromsizes)
    for path in source.boundaries:
        elements["boundaries"] = read_intervals(path, "bed", chromsizes, may_be_empty=True)
    if source.labels:
        sheet = read_label_sheet(source.sheet, cell_type=params.cell_type)
        for task in sheet.index[sheet["kind"].isin(ELEMENTS)]:
            table = read_task(source.sheet, task, chromsizes, cell_type=params.cell_type)
            kind = sheet["kind"][task]
            if kind != "binary":
                table = both_ends(table, paired=kind == "anchors")
            elements[task] = table
    scores = read_tsv(source.scores).fillna({"item": ""})
    scores = scores[scores["sample"] == snakemake.wildcards.sample]
    scored = set(scores["edit"])
    edits = [row.edit for row in rows if row.edit and row.edit.edit in scored]
    write_tsv(find_hits(edits, elements), output.hits)
    annotate_vcf(
        rows,
        scores,
        chromsizes,
        output.vcf,
        vcf=source.edits if suffix_of(source.edits) == ".vcf" else None,
    )
