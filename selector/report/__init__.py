"""What a study means: tables, the recommendation, its sentence, and a page that opens from disk."""
