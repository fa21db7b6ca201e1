"""The cached catalogue: Lamina's order, Lamina's odd names, and details that outlive a list."""

from dataclasses import replace

from lamina_core.domain import App, Parameter, PlannedOutput
from lamina_core.store import catalogue


def app(app_id: str, **changes) -> App:
    return App(**{"app_id": app_id, "name": app_id.title(), "description": None, "is_public": True} | changes)


ODD = Parameter(
    name="Model  Ethnicity ",
    type="options",
    required=False,
    has_default=True,
    default=["Standard ", {"a": None}],
    options=("Standard ", "standard", "", "🦊\u2028'\"", "\u0000"),
    accept=("image",),
    multiple=True,
    description="two\nlines",
    identities=("Model  Ethnicity ", "model", "id-1"),
)


def put(writer, one: App, now) -> None:
    writer.run(lambda connection: catalogue.put(connection, one, now))


def replace_list(writer, apps, now) -> None:
    writer.run(lambda connection: catalogue.replace_list(connection, apps, now))


def find(engines, app_id: str) -> App | None:
    with engines.reading() as connection:
        return catalogue.find(connection, app_id)


def listed(engines) -> list[str]:
    with engines.reading() as connection:
        return [each.app_id for each in catalogue.listed_apps(connection)]


def test_an_app_survives_with_every_odd_name(engines, writer, clock):
    odd = app(
        "a/b?c=%20 🦊",
        name="Odd  Name ",
        produces=("image", "video"),
        parameters=(ODD, replace(ODD, name="", default=0, identities=())),
        outputs=(PlannedOutput("Back", "image"), PlannedOutput("Back", "image")),
    )
    put(writer, odd, clock.now())
    assert find(engines, odd.app_id) == replace(odd, fetched_at=clock.now())
    assert find(engines, "other") is None
    assert listed(engines) == []


def test_the_list_keeps_lamina_s_order_and_forgets_nobody(engines, writer, clock):
    replace_list(writer, [app("z"), app("a"), app("m")], clock.now())
    assert listed(engines) == ["z", "a", "m"]
    replace_list(writer, [app("m"), app("z")], clock.now())
    assert listed(engines) == ["m", "z"]
    with engines.reading() as connection:
        assert [each.app_id for each in catalogue.all_apps(connection)] == ["m", "z", "a"]
    replace_list(writer, [], clock.now())
    assert listed(engines) == []
    assert find(engines, "a") is not None


def test_details_stay_when_a_list_comes_without_them(engines, writer, clock):
    replace_list(writer, [app("a")], clock.now())
    put(writer, app("a", parameters=(ODD,), outputs=(PlannedOutput("Picture", "image"),)), clock.now())
    assert listed(engines) == ["a"]
    replace_list(writer, [app("a", name="New Name")], clock.now())
    found = find(engines, "a")
    assert (found.name, found.parameters, found.outputs) == ("New Name", (ODD,), (PlannedOutput("Picture", "image"),))


def test_an_app_without_parameters_is_not_one_whose_parameters_are_unknown(engines, writer, clock):
    put(writer, app("a", parameters=()), clock.now())
    put(writer, app("b"), clock.now())
    assert (find(engines, "a").parameters, find(engines, "b").parameters) == ((), None)


def test_an_app_listed_twice_is_there_once(engines, writer, clock):
    replace_list(writer, [app("a", name="one"), app("b"), app("a", name="two")], clock.now())
    assert (listed(engines), find(engines, "a").name) == (["b", "a"], "two")


def test_reading_details_does_not_make_the_list_fresher(engines, writer, clock):
    replace_list(writer, [app("a")], clock.now())
    before = find(engines, "a").fetched_at
    clock.advance(60)
    put(writer, app("a", parameters=()), clock.now())
    assert find(engines, "a").fetched_at > before
