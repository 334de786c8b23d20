"""Telling the host: who delivers what is due, and the channels a notice can take."""
