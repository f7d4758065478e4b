"""Draw two lived years side by side, for the README: python policies.py DECLARED_HOME WEEKLY_HOME PICTURE.svg."""

import json
import subprocess
import sys
from pathlib import Path

from mlsys_assets.charts import lines


def weeks(home: str) -> list[dict]:
    command = [sys.executable, "-m", "mlsys_assets.cli", "report", "flights", "--json", "--home", home]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["ticks"]


def main() -> None:
    declared, weekly = weeks(sys.argv[1]), weeks(sys.argv[2])
    shown = [n for n, week in enumerate(declared) if week["models"]]
    series = {
        name: [ticks[n]["models"]["champion"]["log_loss"] for n in shown]
        for name, ticks in (("declared policy", declared), ("every week", weekly))
    }
    events = {i: declared[n]["as_of"][:10] for i, n in enumerate(shown) if declared[n]["trained"]}
    labels = [declared[n]["tick"][5:] for n in shown]
    picture = lines(labels, series, title="log loss of each week's predictions; dashed: trained", events=events)
    Path(sys.argv[3]).write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
