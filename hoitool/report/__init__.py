"""A result in; terminal, CSV, Parquet, Markdown and LaTeX out."""
