"""An application that the extension was not registered on."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)
