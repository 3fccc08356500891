"""Parts of the corpus that `foreign_corpus.py` writes, a module each."""
