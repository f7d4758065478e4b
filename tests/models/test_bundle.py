import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.blend import Blend
from mlsys_assets.models.bundle import PREDICTOR_KINDS, from_files, to_files
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.compression.compressed import Compressed
from mlsys_assets.models.compression.onnx_export import OnnxExport
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.human_rule import HumanRule, When
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.random_baseline import RandomBaseline
from mlsys_assets.models.regression import RegressedLightGBM
from mlsys_assets.models.sgd import Sgd
from mlsys_assets.models.task import Regression
from mlsys_assets.types import days, hours


def forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(4, min_samples_leaf=20)


CANDIDATES = {
    "zero_rule": ZeroRule(),
    "group_rate": GroupRate(by=("carrier", "sched_hour")),
    "random": RandomBaseline(),
    "human_rule": HumanRule((When("precip", ">", 0.5), When("carrier", "==", "UA", rate=0.3))),
    "linear": LogisticRegression(),
    "sgd": Sgd(),
    "lightgbm": LightGBM(rounds=8),
    "onnx": Compressed(LightGBM(rounds=8), OnnxExport()),
    "estimator": Estimator(forest, name="forest"),
    "calibrated": Calibrated(LightGBM(rounds=8)),
    "lightgbm_margin": LightGBM(rounds=8, objective=Combined(1, 0.5, threshold=0.3)),
    "mlp": Mlp(hidden=(8, 4), epochs=3, batch=32),
    "lightgbm_exceedance": RegressedLightGBM(Regression("label", cut=0.5), LightGBM(rounds=8)),
    "stack": Stacking((LogisticRegression(), GroupRate(by=("carrier",))), WalkForward(2, days(5), hours(1))),
}
BLENDED = {"linear": 2, "lightgbm_margin": 1, "group_rate": 1}


@pytest.fixture(scope="module")
def bundles(train, validation):
    fitted = {kind: c.fit(train, validation, seed=1, threads=1).predictor for kind, c in CANDIDATES.items()}
    fitted["compact_linear"] = Quantization().compress(fitted["linear"], train, seed=1, threads=1)
    fitted["blend"] = Blend(BLENDED).of({kind: fitted[kind] for kind in BLENDED})
    return {kind: to_files(predictor) for kind, predictor in fitted.items()}


def test_every_kind_has_a_candidate_that_makes_it_or_is_made_of_those():
    assert {*CANDIDATES, "blend", "compact_linear"} == set(PREDICTOR_KINDS)


@pytest.mark.parametrize("kind", PREDICTOR_KINDS)
def test_a_missing_file_is_named_and_others_are_left_alone(bundles, kind):
    files = bundles[kind]
    for name in files:
        with pytest.raises(BundleError, match=name):
            from_files({other: content for other, content in files.items() if other != name})
    assert to_files(from_files({**files, "passport.json": b"\x80not read"})) == files


@pytest.mark.parametrize("kind", PREDICTOR_KINDS)
def test_text_that_is_no_json_or_other_json_is_refused(bundles, kind):
    files = bundles[kind]
    for name in (n for n in files if n.endswith(".json")):
        for bad in (
            b"",
            b"{",
            b"[]",
            b"null",
            b"NaN",
            b"\xff\xfe",
            b'{"surprise": 1}',
            files[name][:-1],
            b"[" * 100_000,
        ):
            with pytest.raises(BundleError):
                from_files({**files, name: bad})


def test_an_unknown_kind_or_format_is_refused(bundles):
    header = bundles["zero_rule"]["bundle.json"]
    for old, new in (
        (b'"zero_rule"', b'"pickle"'),
        (b'"format":1', b'"format":2'),
        (b'"columns":[]', b'"columns":["x"]'),
    ):
        assert old in header
        with pytest.raises(BundleError):
            from_files({**bundles["zero_rule"], "bundle.json": header.replace(old, new)})


@pytest.mark.parametrize("rate", [b"-0.1", b"1.5", b"NaN", b"Infinity", b'"0.2"', b"null"])
def test_a_rate_that_is_no_probability_is_refused(bundles, rate):
    with pytest.raises(BundleError):
        from_files({**bundles["zero_rule"], "rates.json": b'{"rate":' + rate + b"}"})


def test_coefficients_of_other_outputs_are_refused(bundles):
    files = bundles["linear"]
    swapped = files["coefficients.json"].replace(b'"noise"', b'"other"')
    with pytest.raises(BundleError, match="not those of the preprocessing"):
        from_files({**files, "coefficients.json": swapped})


@pytest.mark.parametrize("kind", ["group_rate", "random", "human_rule"])
def test_files_that_say_that_they_are_of_another_kind_are_refused(bundles, kind):
    files = bundles[kind]
    (name,) = set(files) - {"bundle.json"}
    other = files[name].replace(f'"kind":"{kind}"'.encode(), b'"kind":"linear"')
    assert other != files[name]
    with pytest.raises(BundleError, match=f"a {kind} bundle whose files say that it is 'linear'"):
        from_files({**files, name: other})


@pytest.mark.parametrize(
    ("kind", "name", "old"),
    [
        ("group_rate", "rates.json", b'"kind":'),
        ("group_rate", "rates.json", b'"name":'),
        ("random", "columns.json", b'"kind":'),
        ("human_rule", "rules.json", b'"column":'),
        ("linear", "preprocessing.json", b'"limit":'),
        ("lightgbm", "preprocessing.json", b'"fill":'),
    ],
)
def test_what_nothing_reads_is_refused(bundles, kind, name, old):
    files = bundles[kind]
    assert old in files[name]
    for more in (b'"surprise":1,', b'"surprise":' + b"[" * 100_000 + b"]" * 100_000 + b","):
        with pytest.raises(BundleError, match=name):
            from_files({**files, name: files[name].replace(old, more + old, 1)})
    with pytest.raises(BundleError, match="nothing reads 'surprise' of it"):
        from_files({**files, name: files[name].replace(old, b'"surprise":1,' + old, 1)})


@pytest.mark.parametrize("place", ["intercept", "noise"])
def test_coefficients_whose_sum_may_be_infinite_are_refused(bundles, place):
    files = bundles["linear"]
    content = json.loads(files["coefficients.json"])
    (content if place == "intercept" else content["weights"])[place] = 1e308
    if place == "intercept":
        content["weights"]["noise"] = 5e269
    with pytest.raises(BundleError, match="margin may not be finite"):
        from_files({**files, "coefficients.json": json.dumps(content).encode()})


@given(st.sampled_from(sorted(PREDICTOR_KINDS)), st.data())
def test_a_flipped_byte_never_ends_the_process(bundles, kind, data):
    """The manifest refuses it long before; this is the second line."""
    files = dict(bundles[kind])
    name = data.draw(st.sampled_from(sorted(files)))
    place = data.draw(st.integers(0, len(files[name]) - 1))
    content = bytearray(files[name])
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        from_files({**files, name: bytes(content)})
    except BundleError:
        return


@pytest.mark.parametrize(
    "kind", ["linear", "mlp", "lightgbm", "onnx", "group_rate", "lightgbm_exceedance", "blend", "stack"]
)
def test_threads_share_a_loaded_model(bundles, kind, later):
    predictor = from_files(bundles[kind])
    expected = predictor.predict(later.features)
    same = []

    def score():
        same.extend(np.array_equal(predictor.predict(later.features), expected) for _ in range(20))

    threads = [threading.Thread(target=score) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 80


LIGHT = """
import json, sys
import pyarrow as pa
from mlsys_assets.models.blend import Blend
from mlsys_assets.models.bundle import from_files
files = {name: text.encode("latin-1") for name, text in json.load(sys.stdin).items()}
predictor = from_files(files)
row = dict.fromkeys(predictor.columns)
print(predictor.predict(row)[0].hex())
heavy = {"onnx", "pandas", "sklearn", "scipy", "lightgbm", "mlflow", "dagster"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("kind", [kind for kind in PREDICTOR_KINDS if kind != "estimator"])
def test_scoring_loads_no_library_that_fitting_needs(bundles, kind):
    import json

    text = json.dumps({name: content.decode("latin-1") for name, content in bundles[kind].items()})
    found = subprocess.run([sys.executable, "-c", LIGHT], input=text, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    predictor = from_files(bundles[kind])
    assert float.fromhex(found.stdout.strip()) == predictor.predict(dict.fromkeys(predictor.columns))[0]
