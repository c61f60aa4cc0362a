"""What is measured: one command each, tables in Markdown. RESULTS.md holds those of real runs."""
