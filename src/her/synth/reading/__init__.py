"""Books and other people's scenes, read from files: texts, chapters, quotations, CoSER's and HER's releases."""
