"""Server-rendered pages for households and operators."""
