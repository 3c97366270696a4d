"""Finds the search space of a study: from options, a configuration file, or the model."""

from collections.abc import Sequence

from textclf.config.loading import Tree
from textclf.config.resolve import get_value, resolve, try_corners
from textclf.config.schema import ExperimentConfig, ModelConfig
from textclf.config.search_space import EXAMPLE, Choices, Range, Search, read_searches
from textclf.errors import RequestError
from textclf.registry import guard_code, load_module


def find_search_space(
    config: ExperimentConfig, tree: Tree, searches: Sequence[Search], *, source: str
) -> dict[str, Range | Choices]:
    """Find what a study tries: what the options name, or the file, or the model.

    Args:
        config: Configuration of the first trial.
        tree: Content of the configuration file.
        searches: Options ``--search``.
        source: Name of the file, for messages.

    Returns:
        The search space; its numbers have the types of the configuration.

    Raises:
        RequestError: Nothing is named, a value is out of range, or a key does not change the model.
    """
    if not searches and tree.get("search"):
        searches = read_searches(tree["search"], f"{source}: search")
    space: dict[str, Range | Choices] = {}
    for search in searches:
        if search.key in space:
            raise RequestError(f"{search.origin}: {search.key} is given twice")
        space[search.key] = _fit_domain(config, search)
    space = space or find_model_space(config)
    is_network = not hasattr(load_module("models", config.model.name, config.model.code), "fit")
    if not space and type(config.model) is ModelConfig and not is_network:
        raise RequestError(f"{config.model.name} has no hyperparameters: choose another model")
    if not space:
        raise RequestError(
            f"{config.model.name} does not say what to tune: use --search, such as {EXAMPLE}"
        )
    return space


def find_model_space(config: ExperimentConfig) -> dict[str, Range | Choices]:
    """Return the search space of a model, ``find_search`` or ``SEARCH``; empty if it has none.

    A key that does not fit what the user has set is left out, such as ``model.ratio`` of an n-gram
    network with hidden units.

    Raises:
        RequestError: A key does not fit the defaults either.
    """
    name, code = config.model.name, config.model.code
    module = load_module("models", name, code)
    tree, space = getattr(module, "SEARCH", {}), {}
    if hasattr(module, "find_search"):
        with guard_code(module):
            tree = module.find_search(config.model)
    for search in read_searches(tree, f"{name}: SEARCH"):
        try:
            space[search.key] = _fit_domain(config, search)
        except RequestError:
            model = {"name": name, "code": code}
            _fit_domain(resolve({"dataset": config.dataset.model_dump(), "model": model}), search)
    return space


def _fit_domain(config: ExperimentConfig, search: Search) -> Range | Choices:
    """Return a domain whose values have the type that the configuration has."""
    name, domain = config.model.name, search.domain
    try:
        configs = try_corners(config, search)
        for n, tried in enumerate(configs):
            if (first := configs.index(tried)) < n:
                same = f"{domain.corners[first]} and {domain.corners[n]}"
                raise ValueError(f"{same} are the same for {name}; leave the key out")
        corners = [get_value(tried, search.key) for tried in configs]
        if isinstance(domain, Choices):
            return Choices(tuple(corners))
        return domain.convert(*corners)
    except ValueError as error:
        raise RequestError(f"{search.origin}: {search.key}: {error}") from error
