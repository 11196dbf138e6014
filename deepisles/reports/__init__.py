"""What a person or a program gets: mask and map files, report.json, pictures, pages."""
