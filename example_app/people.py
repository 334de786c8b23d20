"""Sign in as a host or as a viewer, with Flask-Login; whoever says who they are is believed."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, login_user, logout_user

from example_app import db

blueprint = Blueprint("people", __name__)
logins = LoginManager()

LONGEST_NAME = 40


class Person(UserMixin):  # type: ignore[misc]  # it has no types
    """Somebody by name; a host where that is a host's."""

    def __init__(self, name: str) -> None:
        """Find out whether it is a host."""
        self.id = self.name = name
        host = db.row("SELECT id FROM users WHERE name = ?", name)
        self.host_id = host["id"] if host else None


logins.user_loader(Person)


@blueprint.get("/signin")
def signin() -> str:
    """Offer the hosts, and a name of one's own."""
    return render_template("signin.html", hosts=db.rows("SELECT * FROM users ORDER BY name"))


@blueprint.post("/signin")
def signed_in() -> ResponseReturnValue:
    """Believe whoever says who they are: this is a demo."""
    user = db.row("SELECT name FROM users WHERE id = ?", request.form.get("user", ""))
    name = user["name"] if user else " ".join(request.form.get("name", "").split())[:LONGEST_NAME]
    if not name:
        return redirect("/signin")
    login_user(Person(name))
    return redirect("/")


@blueprint.post("/signout")
def signed_out() -> ResponseReturnValue:
    """Forget who they said they are."""
    logout_user()
    return redirect("/")
