"""What is counted of a service and of a system's life is what happened, in Prometheus' format."""

from threading import Thread

from prometheus_client.parser import text_string_to_metric_families

from mlsys_assets import utc
from mlsys_assets.production_monitoring.operations import Life, ServiceMetrics, metrics_of
from mlsys_assets.types import days
from mlsys_resources.operations_rows import Decision

START = utc("2013-07-01")


def read(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_two_services_in_one_process_count_apart_and_from_many_threads() -> None:
    one, other = ServiceMetrics(), ServiceMetrics()
    assert one.success is None
    threads = [
        Thread(
            target=lambda: [one.answered("/p", 200 if n % 4 else 503, seconds=0.003, predicted=2) for n in range(400)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read(one.text())
    assert (found["mlsys_requests_total", "/p", "2xx"], found["mlsys_requests_total", "/p", "5xx"]) == (1200, 400)
    assert found["mlsys_rows_predicted_total",] == 3200
    assert (found["mlsys_request_seconds_bucket", "0.002", "/p"], one.success) == (0, 0.75)
    assert found["mlsys_request_seconds_bucket", "0.005", "/p"] == found["mlsys_request_seconds_count", "/p"] == 1600
    assert other.success is None


def test_a_status_that_is_none_is_counted_as_such() -> None:
    metrics = ServiceMetrics()
    for status in (0, 99, 600, 101, 302):
        metrics.answered("/p", status, seconds=0.1)
    found = read(metrics.text())
    assert [found["mlsys_requests_total", "/p", of] for of in ("none", "1xx", "3xx")] == [3, 1, 1]
    assert metrics.success == 0


def test_the_process_tells_what_it_uses(tmp_path) -> None:
    found = read(ServiceMetrics(tmp_path).text())
    assert found["mlsys_process_cpu_seconds_total",] > 0
    assert found["mlsys_process_resident_bytes",] > 10_000_000
    assert found["mlsys_disk_free_bytes",] > 0
    assert ("mlsys_disk_free_bytes",) not in read(ServiceMetrics().text())


def test_a_life_is_counted_from_its_records_as_of_a_moment() -> None:
    said = [
        ("gate", "better", "pass", 0), ("promotion", "champion", "promoted", 0), ("gate", "better", "fail", 7),
        ("promotion", "champion", "held", 7), ("alert", "label shift: labels", "opened", 7),
        ("promotion", "champion", "promoted", 21), ("monitoring", "diagnosis", "nothing", 0),
        ("monitoring", "diagnosis", "label shift", 7), ("monitoring", "diagnosis", "nothing", 14),
        ("monitoring", "drift", "measured", 14), ("monitoring", "diagnosis", "concept shift", 21),
    ]  # fmt: skip
    records = [Decision("flights", START + days(d), kind, name, verdict, "so") for kind, name, verdict, d in said]
    life = Life("flights", START + days(14), records, {"predictions": 900}, latest=START + days(13), trained=START)
    found = read(metrics_of(life))
    assert found == {
        ("mlsys_decisions", "alert", "flights"): 1, ("mlsys_decisions", "gate", "flights"): 2,
        ("mlsys_decisions", "promotion", "flights"): 2, ("mlsys_decisions", "monitoring", "flights"): 4,
        ("mlsys_diagnoses", "nothing", "flights"): 2, ("mlsys_diagnoses", "label shift", "flights"): 1,
        ("mlsys_trainings", "flights", "fail"): 1,
        ("mlsys_trainings", "flights", "pass"): 1, ("mlsys_alerts", "flights", "opened"): 1,
        ("mlsys_rows", "flights", "predictions"): 900, ("mlsys_model_age_seconds", "flights"): 14 * 86_400,
        ("mlsys_data_lag_seconds", "flights"): 86_400,
    }  # fmt: skip
    assert read(metrics_of(Life("flights", START, (), alerts={"opened": 2, "repeated": 1}))) == {
        ("mlsys_alerts", "flights", "opened"): 2, ("mlsys_alerts", "flights", "repeated"): 1,
    }  # fmt: skip
