"""What a person or a program reads: tables, documents, progress."""
