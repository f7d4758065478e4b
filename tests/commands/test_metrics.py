"""What is counted of a life are the rows of its tables and the decisions of its ledger."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families


def read(text: str, name: str) -> dict[str, float]:
    return {
        "/".join(value for label, value in sample.labels.items() if label != "system"): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_the_metrics_of_a_life_equal_its_tables_and_its_ledger(life, said, tmp_path) -> None:
    text = said("metrics", "rain")
    lake, decisions = life.stores.lake, life.stores.operations.decisions("rain")
    assert read(text, "mlsys_rows") == {t: lake.read("rain", t).num_rows for t in lake.tables("rain")}
    assert read(text, "mlsys_decisions") == Counter(d.kind for d in decisions)
    assert read(text, "mlsys_trainings") == Counter(d.verdict for d in decisions if d.kind == "gate")
    diagnoses = Counter(d.verdict for d in decisions if d.name == "diagnosis")
    assert diagnoses.total() > 0
    assert read(text, "mlsys_diagnoses") == diagnoses
    alerts = life.stores.operations.alerts("rain", until=life.stores.operations.clock("rain"))
    assert read(text, "mlsys_alerts") == Counter(alert.verdict for alert in alerts)
    assert read(text, "mlsys_model_age_seconds") == {"": 0.0}  # one was promoted as of now
    (lag,) = read(text, "mlsys_data_lag_seconds").values()
    assert 0 <= lag <= life.system.calendar.step.total_seconds()
    out = tmp_path / "rain.prom"
    assert said("metrics", "rain", "--out", str(out)) == ""
    assert out.read_text() == text
    assert list(tmp_path.iterdir()) == [out]
