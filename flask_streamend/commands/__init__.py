"""Commands of ``flask streamend``, each in a module of its own."""
