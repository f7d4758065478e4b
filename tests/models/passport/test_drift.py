from dataclasses import replace

import pytest

from mlsys_assets.models.passport.drift import drift, libraries
from mlsys_assets.models.passport.parts import FeatureTold, FeaturizeAndPredict

MADE = FeaturizeAndPredict(
    {"delay": FeatureTold("Trailing: mean of delay", "a"), "wind": FeatureTold("Lookup: wind", "b")}, ("delay",),
    "none declared", "lightgbm", "m", {"model.txt": "f"}, {"lightgbm": "4.6.0", "numpy": "2.4.6", "python": "3.11"},
)  # fmt: skip
VERSIONS = dict(MADE.libraries) | {"mlflow": "3.17"}
HASHES = {"delay": "a", "wind": "b"}


def test_nothing_is_told_of_what_is_as_it_was():
    assert drift(MADE, versions=VERSIONS, hashes=HASHES) == []


@pytest.mark.parametrize("name", MADE.libraries)
def test_another_version_of_what_scores_is_told_with_both(name):
    was = MADE.libraries[name]
    assert drift(MADE, versions=VERSIONS | {name: "9.9"}, hashes=HASHES) == [f"{name}: was {was}, is 9.9"]
    without = {one: version for one, version in VERSIONS.items() if one != name}
    assert drift(MADE, versions=without, hashes=HASHES) == [f"{name}: was {was}, is not there"]


def test_another_declaration_of_a_feature_that_is_read_is_told_with_both():
    told = drift(MADE, versions=VERSIONS, hashes=HASHES | {"delay": "c"})
    assert told == ["feature delay: was a (Trailing: mean of delay), is c"]
    gone = drift(MADE, versions=VERSIONS, hashes={"wind": "b"})
    assert gone == ["feature delay: was a (Trailing: mean of delay), is not declared"]


def test_what_the_model_does_not_use_may_change():
    assert drift(MADE, versions=VERSIONS | {"mlflow": "4.0"}, hashes=HASHES | {"wind": "z", "new": "n"}) == []


def test_what_scores_is_told_by_the_files_also_of_models_within_models():
    assert libraries(["bundle.json", "coefficients.json"]) == ("numpy",)
    assert libraries(["part.a.model.txt"]) == ("lightgbm", "numpy")
    assert libraries(["model.onnx"]) == ("numpy", "onnxruntime")
    assert libraries(["within.estimator.skops", "model.txt"]) == (
        "lightgbm", "numpy", "scikit-learn", "scipy", "skops",
    )  # fmt: skip


def test_a_model_that_scikit_learn_scores_is_held_to_its_version():
    made = replace(MADE, libraries={"scikit-learn": "1.9.0"})
    assert drift(made, versions={"scikit-learn": "1.9.1"}, hashes=HASHES) == ["scikit-learn: was 1.9.0, is 1.9.1"]
