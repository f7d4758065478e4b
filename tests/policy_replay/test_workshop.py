"""Each piece of work is done once, and its price is told in full to whoever needs it."""

import pytest

from mlsys_assets.policy_replay.workshop import Workshop


class Clock:
    """Processor time that passes when somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float, gives: object = None) -> object:
        self.now += seconds
        return gives


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def workshop(clock):
    return Workshop(clock)


def test_a_piece_is_done_once_while_it_is_kept(workshop, clock) -> None:
    found = [workshop.once("fit", 1, lambda: clock.work(3, "model")) for _ in range(2)]
    assert [(piece.value, piece.cpu_s) for piece in found] == [("model", 3)] * 2
    assert (workshop.spent["fit"], workshop.done["fit"]) == (3, 1)
    assert workshop.once("refit", 1, lambda: clock.work(1, "other")).value == "other"
    workshop.clear()
    assert workshop.once("fit", 1, lambda: clock.work(2, "new")).value == "new"
    assert (workshop.spent["fit"], workshop.done["fit"]) == (5, 2)


def test_what_a_piece_rests_on_is_in_its_price_though_another_paid(workshop, clock) -> None:
    def training(own):
        def make():
            clock.work(own)
            workshop.once("fit", "a", lambda: clock.work(10))
            workshop.once("fit", "b", lambda: clock.work(1))
            clock.work(own)

        return make

    first = workshop.once("training", "mine", training(2))
    second = workshop.once("training", "yours", training(3))
    assert (first.cpu_s, second.cpu_s) == (15, 17)
    assert dict(workshop.spent) == {"training": 10, "fit": 11}
    assert sum(workshop.spent.values()) == clock.now == 21


def test_the_price_so_far_is_that_of_the_piece_under_way(workshop, clock) -> None:
    told = []

    def make():
        clock.work(2)
        told.append(workshop.price())
        workshop.once("rows", 0, lambda: clock.work(5))
        told.append(workshop.price())

    assert workshop.price() == 0
    workshop.once("training", 0, make)
    workshop.once("training", 1, make)
    assert told == [2, 7, 2, 7]


def test_work_that_fails_was_spent_and_is_tried_again(workshop, clock) -> None:
    def fails():
        clock.work(1)
        raise RuntimeError("no")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            workshop.once("fit", 0, fails)
    assert workshop.spent["fit"] == 2
