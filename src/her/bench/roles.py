"""The parts of a benchmark, and who plays them: Inspect's model roles as Models of HER.

Knows the names of the roles and who stands in where nobody was named. Refuses to let anybody stand in for a judge.
"""

from __future__ import annotations

from typing import Literal, get_args

from inspect_ai.model import get_model, model_roles

from her.bench.inspect_model import InspectModel
from her.errors import InputError

Role = Literal["actor", "environment", "next-speaker", "judge", "user"]
ROLES: tuple[Role, ...] = get_args(Role)
STANDS_IN: dict[str, tuple[Role, ...]] = {part: ("judge", "actor") for part in ("environment", "next-speaker", "user")}
"""Who plays a part that nobody was named for, the first of them that there is."""
NO_JUDGE = "a judge is needed and none was named: give one with --judge ADDRESS (in Inspect, --model-role judge=…)"


def role(name: Role) -> InspectModel:
    """The model that plays a role.

    Nobody stands in for a judge. The actor is the model under test where it was not named; the world, the choice of
    the next speaker and the user are played by the judge, so that they are the same for every actor, or by the actor
    where there is no judge. Raises InputError for a judge that was not named.
    """
    found = role_or_none(name)
    if found is not None:
        return found
    if name == "judge":
        raise InputError(NO_JUDGE)
    return role("actor") if name != "actor" else InspectModel(get_model())


def role_or_none(name: Role) -> InspectModel | None:
    """The model that plays a role; None for a judge that was not named, and for any other whom nobody plays."""
    given = model_roles()
    named = next((one for one in (name, *STANDS_IN.get(name, ())) if one in given), None)
    return None if named is None else InspectModel(get_model(role=named))
