"""Commands of ``flask streamend`` that are worth a module of their own."""
