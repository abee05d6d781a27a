"""Expression of genes told from signals around them: tables, features, models."""
