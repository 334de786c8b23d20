"""What is private about the events of :mod:`tests.apps.private`, easily found where it is read."""

from __future__ import annotations

#: Of every event; where its id says so with a letter more, which mail has to encode.
NAME = 'Zauberwale & "Freunde"'
ENCODED = f"{NAME} über Bord"
ADDRESS = "walfischer@tiefsee.example"
FRONTEND = "https://leitstand.example/bridge"
#: Who watches, by a loader, a token, a call.
VIEWERS = ("besucherin@strand.example", "tauchgast", "muschelsucher")
#: What of all this may be read nowhere. A masked address shows its domain.
WORDS = ("zauberwal", "walfischer", "leitstand", "besucherin", "tauchgast", "muschelsucher")
