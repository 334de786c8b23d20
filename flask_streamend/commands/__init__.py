"""Commands of ``flask streamend`` that are more than a few lines, a module each."""
