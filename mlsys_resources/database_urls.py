"""What a database URL may be, which database it names, and how it is shown: never with a password."""

import sqlalchemy as sa

POSTGRESQL = ("postgres", "postgresql")
"""How a URL of PostgreSQL begins; the first is what many hosts give out."""

SECRET = ("password", "sslpassword")
"""What may hold a password among the parameters behind the question mark."""


def parsed_url(url: str) -> sa.URL | None:
    """Return the parts of a database URL, None for what is none; what is wrong with it may be its password."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        return None
    return None if "@" in (parsed.host or "") else parsed  # the end of a password with an @ in it


def told_to_look(url: str, options: str) -> str:
    """Return the URL of a PostgreSQL database with one more option for its server; any other as it is."""
    parsed = parsed_url(url)
    if parsed is None or parsed.get_backend_name() not in POSTGRESQL:
        return url
    given = f"{parsed.query.get('options', '')} {options}".strip()
    return parsed.update_query_dict({"options": given}).render_as_string(hide_password=False)


def same_database(one: str, other: str) -> bool:
    """Return whether two URLs name one PostgreSQL database, whoever logs in.

    >>> same_database("postgresql://ann@h/mlflow", "postgresql+psycopg2://bob@h:5432/mlflow")
    True
    >>> same_database("postgresql://ann@h/dagster", "postgresql://ann@h/mlflow")
    False
    """
    places = [_place(url) for url in (one, other)]
    return None not in places and places[0] == places[1]


def shown(url: str) -> str:
    """Return the URL as messages may show it: without a password.

    >>> shown("postgresql://ann:secret@h/mlflow?sslpassword=secret")
    'postgresql://ann:***@h/mlflow?sslpassword=hidden'
    """
    parsed = parsed_url(url)
    if parsed is None:
        scheme, separator, _ = url.partition("://")
        return f"{scheme if separator else ''}://…"
    hidden = {name: "hidden" for name in SECRET if name in parsed.query}
    return parsed.update_query_dict(hidden).render_as_string(hide_password=True)


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the passwords in a URL, as they are and as they are written in it."""
    parsed = parsed_url(url)
    if parsed is None:
        return ()
    written = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    found = [parsed.password, written, *(parsed.query.get(name) for name in SECRET)]
    return tuple({str(each) for each in found if each})


def _place(url: str) -> tuple[str, str, str] | None:
    parsed = parsed_url(url)
    if parsed is None or parsed.get_backend_name() not in POSTGRESQL:
        return None
    host, port = parsed.host or parsed.query.get("host"), parsed.port or parsed.query.get("port")
    return str(host or "localhost"), str(port or 5432), str(parsed.database)
