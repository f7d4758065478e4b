"""Drift between where a model was made and where it is to predict: other libraries, other features."""

from collections.abc import Iterable, Mapping
from typing import Final

from mlsys_assets.models.passport.parts import FeaturizeAndPredict

ALWAYS: Final = ("numpy",)
"""What every predictor computes with."""
BY_FILE: Final[Mapping[str, tuple[str, ...]]] = {
    "model.txt": ("lightgbm",),
    ".onnx": ("onnxruntime",),
    ".skops": ("scikit-learn", "scipy", "skops"),
}
"""What else reads a model's files and scores with them, by how their names end."""


class DriftedModel(RuntimeError):
    """A model that would predict with other libraries or other features than it was made with: it does not serve."""


def libraries(content: Iterable[str]) -> tuple[str, ...]:
    """Return the distributions that a model of these files is scored with.

    >>> libraries(["bundle.json", "within.model.txt"])
    ('lightgbm', 'numpy')
    """
    found = {*ALWAYS}
    for name in content:
        found |= {library for end, used in BY_FILE.items() if name.endswith(end) for library in used}
    return tuple(sorted(found))


def drift(made: FeaturizeAndPredict, *, versions: Mapping[str, str], hashes: Mapping[str, str]) -> list[str]:
    """Return what is another now than when a model was made, of what its predictions rest on; none if it may serve.

    Features that the model does not read may change; so may all code that no feature is computed by.

    Parameters
    ----------
    versions
        Of what is installed now, by distribution.
    hashes
        Of the features as they are declared now, by column.
    """
    found = [
        f"{name}: was {was}, is {versions.get(name, 'not there')}"
        for name, was in made.libraries.items()
        if versions.get(name) != was
    ]
    for name in made.reads:
        was, now = made.features[name].hash, hashes.get(name, "not declared")
        if was != now:
            found.append(f"feature {name}: was {was} ({made.features[name].definition}), is {now}")
    return found
