"""PDFs, set by typst: the report on A4, plans and sections to true scale."""
