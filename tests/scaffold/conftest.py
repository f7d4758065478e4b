"""Orders of a shop, with a signal, as files that somebody might have."""

import math
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from mlsys_assets import utc

HEADER = "Order ID,ordered at,country,amount,items,returned,refund"


def orders(rows: int, *, days: float = 120) -> list[str]:
    """Return that many orders, evenly over so many days."""
    draw, lines = random.Random(20240101), []
    for n in range(rows):
        at = utc("2024-01-01") + timedelta(days=days * n / rows)
        country, amount, items = (
            draw.choice(["DE", "FR", "US"]),
            round(draw.lognormvariate(3, 1), 2),
            draw.randint(1, 9),
        )
        chance = 1 / (1 + math.exp(1.5 - 1.2 * (country == "US") - 0.03 * amount + 0.15 * items))
        back = draw.random() < chance
        lines.append(
            f"A{n:05d},{at:%Y-%m-%d %H:%M:%S},{country},{amount},{items},{'yes' if back else 'no'},{amount * back:.2f}"
        )
    return lines


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., Path]:
    """Write a CSV file of lines below a header; ``change`` them first if wanted."""

    def write(
        lines: list[str] | None = None, *, header: str = HEADER, change: Callable[[list[str]], list[str]] = list
    ) -> Path:
        found = change(orders(1_000) if lines is None else lines)
        (tmp_path / "orders.csv").write_text("\n".join([header, *found]) + "\n", encoding="utf-8")
        return tmp_path / "orders.csv"

    return write


@pytest.fixture
def many_orders() -> list[str]:
    """Enough to tell a model from chance."""
    return orders(6_000)


@pytest.fixture
def long_orders() -> list[str]:
    """Those of most of a year."""
    return orders(1_000, days=300)
