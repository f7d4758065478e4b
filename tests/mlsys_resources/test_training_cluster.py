"""Where models are trained: what the environment names, what it is told of mistakes, and what is left behind."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mlsys_resources import training_cluster
from mlsys_resources.resources import build_resources
from mlsys_resources.training_cluster import ClusterUnavailable, TrainingCluster


def _training(clock, **env: str) -> TrainingCluster:
    return build_resources({f"MLSYS_{name}": value for name, value in env.items()}, clock=clock).training


def test_this_process_is_the_default_and_opens_nothing(clock) -> None:
    assert _training(clock) == TrainingCluster("local") == _training(clock, TRAINING="", TRAINING_WORKERS="")
    with _training(clock).open() as client:
        assert client is None


def test_the_environment_names_the_workers_and_the_cluster(clock) -> None:
    assert _training(clock, TRAINING="dask", TRAINING_WORKERS="3") == TrainingCluster("dask", workers=3)
    joined = _training(clock, TRAINING="dask", TRAINING_ADDRESS="tcp://scheduler:8786")
    assert joined == TrainingCluster("dask", workers=2, address="tcp://scheduler:8786")


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"TRAINING": "spark"}, "the place of training is 'spark'; allowed: local, dask"),
        ({"TRAINING": "dask", "TRAINING_WORKERS": "two"}, "MLSYS_TRAINING_WORKERS is 'two'; give a whole number"),
        ({"TRAINING": "dask", "TRAINING_WORKERS": "1"}, "training has 1 workers; it takes 2 at least, or the place"),
        ({"TRAINING_ADDRESS": "tcp://host:8786"}, "the address 'tcp://host:8786' and the place 'local'; set it to"),
        (
            {"TRAINING": "dask", "TRAINING_ADDRESS": "host"},
            "address of training is 'host'; write it as tcp://host:8786",
        ),
    ],
    ids=str,
)
def test_what_is_no_place_of_training_is_refused_by_name(clock, env: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _ = _training(clock, **env)


def test_without_the_extra_it_is_told_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ClusterUnavailable, match=r"needs Dask, and distributed is not installed: pip install 'mlsys\["),
        TrainingCluster("dask").open(),
    ):
        pass


def test_a_cluster_that_does_not_answer_is_told(monkeypatch) -> None:
    monkeypatch.setattr(training_cluster, "START", 0.5)
    joined = TrainingCluster("dask", address="tcp://127.0.0.1:9")
    with pytest.raises(ClusterUnavailable, match=r"no cluster answers at tcp://127.0.0.1:9"), joined.open():
        pass


def test_a_cluster_with_too_few_workers_is_told(monkeypatch) -> None:
    with TrainingCluster("dask").open() as own:
        monkeypatch.setattr(training_cluster, "START", 1)
        address = own.scheduler.address
        with TrainingCluster("dask", address=address).open() as client:
            assert client.ncores() == own.ncores()
        more = TrainingCluster("dask", workers=3, address=address)
        with pytest.raises(ClusterUnavailable, match="to have 3 workers; 2 came within 1 s"), more.open():
            pass


def test_the_cluster_is_the_processs_own_and_reached_from_this_machine_alone() -> None:
    with TrainingCluster("dask").open() as client:
        pids = client.run(os.getpid)
        assert len(set(pids.values()) - {os.getpid()}) == 2
        assert set(client.nthreads().values()) == {1}
        for pid in (os.getpid(), *pids.values()):
            listening = [c.laddr.ip for c in psutil.Process(pid).net_connections("inet") if c.status == "LISTEN"]
            assert set(listening) == {"127.0.0.1"}
    with TrainingCluster("dask").open() as client:
        assert client.run(os.getpid) == pids


def test_after_an_error_it_is_started_anew_and_a_caught_one_changes_nothing() -> None:
    with TrainingCluster("dask").open() as client:
        pids = set(client.run(os.getpid).values())
        with pytest.raises(ZeroDivisionError):
            client.submit(divmod, 1, 0).result()
    with pytest.raises(RuntimeError, match="lost"):
        _lose(pids)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def _lose(pids: set[int]) -> None:
    with TrainingCluster("dask").open() as client:
        assert set(client.run(os.getpid).values()) == pids
        raise RuntimeError("lost")


ENDS = """
import os, sys, tempfile
from mlsys_resources.training_cluster import TrainingCluster
if __name__ == "__main__":
    with TrainingCluster("dask").open() as client:
        print(*client.run(os.getpid).values())
        sys.stdout.flush()
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("how", ["closed", pytest.param("killed", marks=pytest.mark.prove)])
def test_no_worker_outlives_its_process(how: str, tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text(ENDS)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, tmp_path / "ends.py", how],
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (0 if how == "closed" else -9), done.stderr
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=30)
    assert not alive
    if how == "closed":
        assert done.stderr == ""
        assert list(temporary.iterdir()) == []


def test_loading_it_loads_no_dask() -> None:
    loaded = "print([m for m in ('dask', 'distributed') if m in sys.modules])"
    code = f"import sys; import mlsys_resources.training_cluster; {loaded}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
