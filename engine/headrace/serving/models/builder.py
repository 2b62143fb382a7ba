"""Builds a model's next deployment from the one it has and what is wanted: what fits stays, the rest is loaded."""

from __future__ import annotations

from headrace.core.errors import HeadraceError
from headrace.serving.models.fleet import Deployment, FixedRoute, Route
from headrace.serving.models.loader import Loader
from headrace.serving.models.source import WantedModel
from headrace.serving.models.states import StateBoard, bare
from headrace.serving.models.version import ServedVersion


class DeploymentBuilder:
    """Loads what is missing.

    Args:
        loader: opens versions.
        board: told of every load.
    """

    def __init__(self, loader: Loader, board: StateBoard) -> None:
        self._loader = loader
        self._board = board

    def build(
        self, model: WantedModel, before: Deployment | None, *, again: bool
    ) -> tuple[Deployment | None, HeadraceError | None]:
        """Build one model's deployment.

        Args:
            model: what is wanted.
            before: what it has.
            again: try content that failed a moment ago once more.

        Returns:
            The deployment to serve, `before` itself where it is right or nothing better could be loaded, None where
            nothing can be served; and why it is not the one that is wanted, None where it is.
        """
        if model.problem is not None:
            return before, model.problem
        # A version that is wanted is taken out and put in again: the order of the dictionary is order of last use.
        loaded = dict(before.versions) if before is not None else {}
        errors: dict[int, HeadraceError] = {}
        for number in model.versions:
            version = loaded.pop(number, None)
            try:
                if version is None or version.identity.mark != model.mark(number):
                    version = self._load(model, number, again=again)
                loaded[number] = version
            except HeadraceError as error:
                errors[number] = bare(error)
                if version is not None:
                    loaded[number] = version
                if model.route is not None and number == model.route.versions[0]:
                    break
        route = _route(model, loaded)
        if route is None:
            return before, errors[model.versions[0]]
        after = Deployment(model.name, route, _trimmed(loaded, model))
        same = before is not None and before.route == route and before.versions == after.versions
        return (before if same else after), errors.get(model.versions[0])

    def _load(self, model: WantedModel, number: int, *, again: bool) -> ServedVersion:
        mark = model.mark(number)
        known = None if again else self._board.known_failure(model.name, number, mark)
        if known is not None:
            raise known
        self._board.begin(model.name, number)
        try:
            version = self._loader.load(model, number)
        except HeadraceError as error:
            self._board.end(model.name, number, mark, error)
            raise
        self._board.end(model.name, number, mark, None)
        return version


def _route(model: WantedModel, loaded: dict[int, ServedVersion]) -> Route | None:
    """Who answers; None where the version that must answer is not loaded, or none is."""
    if model.route is not None:
        return model.route if model.route.versions[0] in loaded else None
    return next((FixedRoute(number) for number in model.versions if number in loaded), None)


def _trimmed(loaded: dict[int, ServedVersion], model: WantedModel) -> dict[int, ServedVersion]:
    """Without versions that are no longer wanted, but for those that were wanted last."""
    unwanted = [number for number in loaded if number not in model.versions]
    gone = unwanted[: max(0, len(unwanted) - model.kept)]
    return {number: version for number, version in loaded.items() if number not in gone}
