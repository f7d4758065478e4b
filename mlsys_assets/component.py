"""Systems as a Dagster component: for projects whose definitions are YAML files."""

from importlib import import_module

import dagster as dg

from mlsys_assets.system import MLSystem
from mlsys_assets.workspace import Workspace


class MLSystemsComponent(dg.Component, dg.Model, dg.Resolvable):
    """The definitions of systems that are declared in Python, named in a ``defs.yaml``.

    .. code-block:: yaml

        type: mlsys_assets.component.MLSystemsComponent
        attributes:
          systems: [shop.system.shop]
    """

    systems: list[str]
    """Each system as module.name; all of them, since they share their stores."""

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return what ``Workspace`` gives for the systems; raises LookupError for one that is not there."""
        return Workspace(*(_declared(name) for name in self.systems)).definitions


def _declared(name: str) -> MLSystem:
    module, _, attribute = name.rpartition(".")
    if not module:
        raise LookupError(f"systems: {name!r} is no module.name, such as shop.system.shop")
    try:
        found = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # of something that the module imports
        raise LookupError(
            f"systems: there is no module {error.name!r} for {name!r}; put its folder on PYTHONPATH"
        ) from None
    if not isinstance(found, MLSystem):
        raise LookupError(
            f"systems: {name!r} is {'not there' if found is None else f'a {type(found).__name__}'}; name an MLSystem"
        )
    return found
