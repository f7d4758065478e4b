"""What a challenger must show before it may become champion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, Metric, PrAuc
from mlsys_assets.mistakes import alike, none_of, not_all, not_long, not_one, out_of_range, sound
from mlsys_assets.offline_evaluation.challenger import Best, Choice
from mlsys_assets.offline_evaluation.champion_gate import (
    ChampionGate,
    NonInferiority,
    Superiority,
    deciding_mistakes,
)
from mlsys_assets.offline_evaluation.slicing.slices import Slicing

WITHOUT_RECENT = ("hold", "static")
BEHAVIOR = ("hold", "tell")
ECE = "ece"
MOST_ECE = 0.5
"""Who says one half of every row has an ECE of at most this: a larger bound would ask nothing."""
LEAST_RESAMPLED = 2
"""Of a single block every draw is the same: an interval without width, which would pass for certainty."""


@dataclass(frozen=True)
class Gates:
    """What is asked of a challenger before it may become champion.

    All of it must hold, so that asking more makes a false promotion rarer, not likelier: only where the worst of many
    is looked for, as among slices, are intervals corrected for their number (Holm 1979).

    Parameters
    ----------
    choice
        Which candidate is the challenger: ``Best`` on validation, or the ``SimplestWithinNoise``.
    beats_baselines
        Metrics in which it must beat every baseline, on both tests, by more than chance: the whole
        interval on its side. Never accuracy, which the zero rule wins where positives are rare.
    champion
        What it must show against the champion: ``NonInferiority`` or ``Superiority``.
    most_ece
        The largest expected calibration error allowed on recent rows; None asks nothing.
    slice_margin
        By how much more than this no slice may be worse than the champion's, on either test, beyond chance; None
        asks nothing. In the champion's metric.
    support
        What recent rows must have before they are believed.
    without_recent
        What holds when they have not: ``hold`` the champion, or let the ``static`` test decide alone.
    behavior
        What a failed test of behavior or fairness does: ``hold`` the challenger, or ``tell`` of it only.
    """

    choice: Choice = Best()
    beats_baselines: tuple[Metric, ...] = (LogLoss(), PrAuc())
    champion: ChampionGate = field(default_factory=NonInferiority)
    most_ece: float | None = None
    slice_margin: float | None = None
    support: Support = field(default_factory=lambda: Support(least_of_each_class=200))
    without_recent: str = "hold"
    behavior: str = "hold"

    @property
    def compared(self) -> tuple[Metric, ...]:
        """Every metric that decides anything, once."""
        return tuple({m.name: m for m in (self.champion.metric, *self.beats_baselines)}.values())

    def mistakes(self, *, metrics: Sequence[Metric], slices: Sequence[Slicing], static: bool) -> Iterator[str]:
        """Yield what is wrong with the declaration, and what it asks that could never be answered.

        Parameters
        ----------
        metrics, slices
            What the system measures.
        static
            Whether its split has a static test.
        """
        yield from self._own_mistakes()
        measured = [m.name for m in metrics]
        if self.most_ece is not None and ECE not in measured:
            yield f"gates: most_ece asks for {ECE!r}, which is not among the metrics {measured}; add Ece()"
        if self.slice_margin is not None and not slices:
            yield "gates: slice_margin asks of slices, and the system has none; add one, such as Slice('origin')"
        if self.without_recent == "static" and not static:
            yield "gates: without_recent is 'static', and the split has no static_test; give it windows, or say 'hold'"

    def _own_mistakes(self) -> Iterator[str]:
        if self.without_recent not in WITHOUT_RECENT:
            yield f"gates: without_recent is {self.without_recent!r}; allowed: {', '.join(map(repr, WITHOUT_RECENT))}"
        yield from none_of("gates: behavior", self.behavior, BEHAVIOR)
        if self.slice_margin is not None:
            yield from out_of_range("gates: slice_margin", self.slice_margin, least=0)
        if self.most_ece is not None:
            yield from out_of_range("gates: most_ece", self.most_ece, least=0, most=MOST_ECE)
        yield from not_one("gates: choice", self.choice, Choice)
        yield from not_one("gates: champion", self.champion, ChampionGate)
        for gate in sound(self.champion, ChampionGate):
            yield from gate.mistakes()
        if isinstance(self.champion, Superiority) and self.without_recent == "static":
            yield (
                "gates: without_recent is 'static' and champion Superiority, which only recent rows can show; say "
                "'hold', or ask for NonInferiority"
            )
        yield from not_all("gates: beats_baselines", self.beats_baselines, Metric)
        beaten = sound(self.beats_baselines, Metric)
        yield from alike("gates' beats_baselines metric", [m.name for m in beaten])
        if not self.beats_baselines:
            yield "gates: beats_baselines is empty, so that any model would pass; name at least one, such as LogLoss()"
        for metric in beaten:
            yield from deciding_mistakes("gates: beats_baselines", metric)
        yield from self._support_mistakes()

    def _support_mistakes(self) -> Iterator[str]:
        if wrong := not_one("gates: support", self.support, Support):
            yield from wrong
            return
        asked, what = self.support, "gates: support"
        yield from out_of_range(f"{what}.least_of_each_class", asked.least_of_each_class, whole=True, least=1)
        yield from out_of_range(f"{what}.least_blocks", asked.least_blocks, whole=True, least=LEAST_RESAMPLED)
        yield from not_long(f"{what}.block", asked.block)
        if isinstance(asked.block, timedelta) and timedelta(0) < asked.block < timedelta(seconds=1):
            yield f"{what}.block is {asked.block}; rows that depend on each other share longer than that"
