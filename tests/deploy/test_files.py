"""The deployment's files are sound, agree with each other and with what the code reads, and hold no secret."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import crossplane
import pytest
import yaml
from dagster._config import process_config
from dagster_k8s import K8sRunLauncher
from yamllint import linter
from yamllint.config import YamlLintConfig

from mlsys_assets.instance import settings
from mlsys_resources import resources

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = """
extends: default
rules: {line-length: {max: 120}, document-start: disable, comments: {min-spaces-from-content: 1}}
"""
OURS = ("prepare", "code", "webserver", "daemon", "mlflow")
CHART = {
    "global", "generatePostgresqlPasswordSecret", "postgresql", "dagsterWebserver", "dagster-user-deployments",
    "runLauncher", "dagsterDaemon", "telemetry",
}  # fmt: skip
"""What the official chart knows at its top, as far as it is used here."""


def loaded(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def environment() -> dict[str, str]:
    lines = (DEPLOY / "env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("name", ["compose.yaml", "dagster.yaml", "workspace.yaml", "helm-values.yaml"])
def test_the_yaml_is_clean(name: str) -> None:
    found = linter.run((DEPLOY / name).read_text(), YamlLintConfig(RULES), name)
    assert [str(problem) for problem in found] == []


def test_the_compose_file_is_what_compose_takes(tmp_path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(DEPLOY / "compose.yaml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "compose.yaml").write_text("services: {code: {comand: [run]}}")
    assert subprocess.run([*command, str(tmp_path / "compose.yaml")], capture_output=True, check=False).returncode == 1


def test_nothing_listens_beyond_loopback_but_behind_the_proxy_and_nothing_has_more_rights_than_it_needs() -> None:
    services = loaded("compose.yaml")["services"]
    published = {name: ports for name, service in services.items() if (ports := service.get("ports"))}
    assert published.keys() == {"proxy"}
    assert all(port.startswith("127.0.0.1:") for port in published["proxy"])
    for name in (*OURS, "proxy"):
        assert services[name]["read_only"] is True, name
        assert services[name]["cap_drop"] == ["ALL"], name
        assert services[name]["security_opt"] == ["no-new-privileges:true"], name
    assert services["daemon"]["deploy"]["replicas"] == 1
    for name in ("code", "webserver", "daemon"):
        assert services[name]["depends_on"]["prepare"]["condition"] == "service_completed_successfully", name
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER (?!root)", text, flags=re.MULTILINE)
    assert not re.search(r"(PASSWORD|SECRET|TOKEN)", text)


def test_the_environment_file_names_what_is_read_and_holds_no_secret() -> None:
    given = environment()
    ours = {value for name, value in vars(resources).items() if name.isupper() and str(value).startswith("MLSYS_")}
    assert {name for name in given if name.startswith("MLSYS_")} <= ours
    assert loaded("dagster.yaml")["storage"]["postgres"]["postgres_url"]["env"] == resources.DAGSTER_URL in given
    secret = {k: v for k, v in given.items() if re.search("PASSWORD|SECRET", k) or "@" in v}
    assert len(secret) >= 6
    assert all("change-me" in value for value in secret.values())
    created = set(re.findall(r"CREATE DATABASE (\w+)", (DEPLOY / "databases.sql").read_text()))
    assert {value.rpartition("/")[2] for value in given.values() if "@postgres/" in value} == created
    users = (DEPLOY / "basic_auth.ini").read_text()
    assert "password" not in users


def test_the_instance_says_of_runs_what_every_state_folder_says() -> None:
    theirs, mine = loaded("dagster.yaml"), yaml.safe_load(settings(Path("home"), server=True))
    assert theirs.keys() == mine.keys()
    assert {k: v for k, v in theirs.items() if k not in ("local_artifact_storage", "compute_logs")} == {
        k: v for k, v in mine.items() if k not in ("local_artifact_storage", "compute_logs")
    }


def test_the_proxy_leads_to_services_that_are_there_with_a_limit_and_a_password() -> None:
    found = crossplane.parse(str(DEPLOY / "nginx.conf"))
    assert found["errors"] == []
    (http,) = [d for d in found["config"][0]["parsed"] if d["directive"] == "http"]
    assert [d["args"] for d in http["block"] if d["directive"] == "client_max_body_size"] == [["1m"]]
    services = loaded("compose.yaml")["services"]
    led: dict[str, bool] = {}
    for server in (d["block"] for d in http["block"] if d["directive"] == "server"):
        (location,) = [d["block"] for d in server if d["directive"] == "location"]
        (target,) = [d["args"][0] for d in location if d["directive"] == "proxy_pass"]
        service, port = re.fullmatch(r"http://(\w+):(\d+)", target).groups()
        assert f"--port={port}" in services[service]["command"]
        led[service] = any(d["directive"] == "auth_basic_user_file" for d in server)
    assert led == {"webserver": True, "mlflow": False}  # MLflow asks for its own
    assert "--app-name=basic-auth" in services["mlflow"]["command"]
    (location,) = loaded("workspace.yaml")["load_from"]
    assert f"--port={location['grpc_server']['port']}" in services[location["grpc_server"]["host"]]["command"]


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_the_values_are_what_the_chart_and_its_run_launcher_take() -> None:
    values = loaded("helm-values.yaml")
    assert values.keys() == CHART
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    given = {_snake(k): v for k, v in launcher.items() if k != "runK8sConfig"}
    given["run_k8s_config"] = {
        _snake(k): {_snake(name): value for name, value in part.items()} for k, part in launcher["runK8sConfig"].items()
    }
    needed = {
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": "/opt/dagster",
    }
    checked = process_config(K8sRunLauncher.config_type(), given | needed)
    assert checked.success, checked.errors
    assert not process_config(K8sRunLauncher.config_type(), given | needed | {"imagePullPolicy": "x"}).success
    daemon, instance = values["dagsterDaemon"], loaded("dagster.yaml")
    assert daemon["runCoordinator"]["config"]["queuedRunCoordinator"]["maxConcurrentRuns"] == 1
    monitored = {_snake(k): v for k, v in daemon["runMonitoring"].items()}
    assert monitored.items() <= instance["run_monitoring"].items()
    (code,) = values["dagster-user-deployments"]["deployments"]
    assert code["securityContext"]["allowPrivilegeEscalation"] is False
    assert code["podSecurityContext"]["runAsNonRoot"] is True
    assert {e["name"] for part in (code, values["dagsterWebserver"], daemon) for e in part["envSecrets"]} == {"mlsys"}
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"
