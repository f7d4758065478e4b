"""A system made from a file works at once, as its maker would try it, and is code that its maker would keep."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from mlsys_assets.cli import main
from mlsys_assets.scaffold.code import workspace


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if k != "MLSYS_WORKSPACE"} | {"HOME": str(folder / "nobody")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def mlsys(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run(folder, str(Path(sys.executable).with_name("mlsys")), *arguments)


def test_from_a_file_to_a_champion(csv, many_orders) -> None:
    """Its first training, its ledger, Dagster's own check, and a second system."""
    folder = csv(many_orders).parent
    made = mlsys(folder, "new-system", "shop", "--from", "orders.csv")
    assert (made.returncode, made.stderr) == (0, "")
    assert "'returned' is to be predicted" in made.stdout
    for check in (("check", "--select", "E,F,I,W,UP"), ("format", "--check")):
        ruff = run(
            folder, str(Path(sys.executable).with_name("ruff")), *check, "--isolated", "shop", "mlsys_workspace.py"
        )
        assert ruff.returncode == 0, ruff.stdout
    first = next(line.split()[-2] for line in made.stdout.splitlines() if " run shop " in line)
    lived = mlsys(folder, "run", "shop", "--until", first)
    assert lived.returncode == 0, lived.stderr
    assert "train: nothing was trained yet; gate pass" in lived.stdout
    assert "promotion" in mlsys(folder, "ledger").stdout
    again = mlsys(folder, "new-system", "shop", "--from", "orders.csv")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    assert mlsys(folder, "new-system", "refunds", "--from", "orders.csv", "--label", "refund").returncode == 0
    valid = run(folder, sys.executable, "-m", "dagster", "definitions", "validate", "-m", "mlsys_workspace")
    assert valid.returncode == 0, valid.stderr
    assert "it has: shop, refunds" in mlsys(folder, "ledger", "nobody").stderr


@pytest.mark.prove
def test_its_own_test_trains_a_champion(csv, many_orders) -> None:
    folder = csv(many_orders).parent
    assert mlsys(folder, "new-system", "shop", "--from", "orders.csv").returncode == 0
    tested = run(folder, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "shop")
    assert tested.returncode == 0, tested.stdout


def test_the_same_rows_in_parquet_make_the_same_system(csv, monkeypatch) -> None:
    path = csv()
    monkeypatch.chdir(path.parent)
    pq.write_table(pyarrow.csv.read_csv(path), path.with_suffix(".parquet"))
    for name, file in (("text", "orders.csv"), ("columns", "orders.parquet")):
        assert main(["new-system", name, "--from", file]) == 0
    for file in ("features.py", "label.py"):
        assert Path("text", file).read_text() == Path("columns", file).read_text()
    sources = Path("columns/sources.py").read_text()
    same = (
        sources.replace("ParquetFile", "CsvFile").replace(".parquet", ".csv").replace("rows of columns", "rows of text")
    )
    assert sorted(same.splitlines()) == sorted(Path("text/sources.py").read_text().splitlines())
    assert 'ParquetFile(Path(__file__).parents[1] / "orders.parquet"' in sources


def test_whatever_columns_and_values_are_called_the_code_is_code(csv, monkeypatch) -> None:
    """Quotes and backslashes in names and texts, a column called as the key would be, no column that names a row."""

    def nasty(lines: list[str]) -> list[str]:
        return [line.partition(",")[2].replace(",yes,", ",it's,") for line in lines]

    header = 'a""t,country,row,items,b\\c,refund'
    folder = csv(change=nasty, header=header).parent
    monkeypatch.chdir(folder)
    assert main(["new-system", "odd", "--from", "orders.csv"]) == 0
    found = run(folder, sys.executable, "-c", "from odd.system import odd; print(odd.requests.key, odd.label.name)")
    assert (found.returncode, found.stdout.split()) == (0, ["row_number", "b_c"]), found.stderr
    assert 'pc.equal(rows["b_c"], "it\'s")' in Path("odd/label.py").read_text()
    assert not [p.name for p in folder.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ("workspace = make()\n", None),
        ("from a.system import a\n\nworkspace = Workspace(a)\nworkspace = Workspace(a)\n", None),
        (
            "from a.system import a\n\nworkspace = Workspace(a)\n# mine\n",
            "from a.system import a\nfrom shop.system import shop\n\nworkspace = Workspace(a, shop)\n# mine\n",
        ),
    ],
)
def test_a_workspace_takes_one_more_or_is_left_alone(there: str, found: str | None) -> None:
    assert workspace("shop", there) == found


def test_a_workspace_that_is_not_understood_is_left_as_it_is_and_told(csv, capsys, monkeypatch) -> None:
    folder = csv().parent
    monkeypatch.chdir(folder)
    (folder / "mlsys_workspace.py").write_text("workspace = make()\n")
    assert main(["new-system", "shop", "--from", "orders.csv"]) == 0
    assert "stays as it is: add `from shop.system import shop`" in capsys.readouterr().out
    assert (folder / "mlsys_workspace.py").read_text() == "workspace = make()\n"
