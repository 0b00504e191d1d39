"""What my-plugin adds to tlbench.

tlbench imports this module whenever it looks for components, so nothing heavy is imported here: torch and NumPy are
imported by the functions that need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlbench import hookimpl

from my_plugin.backbone import SmallConvOptions, make_small_conv
from my_plugin.column import above_chance
from my_plugin.dataset import ShapesOptions, make_shapes
from my_plugin.executor import TimedOptions, make_timed
from my_plugin.metric import worst_class
from my_plugin.reporter import DiaryOptions, make_diary
from my_plugin.strategy import head_first
from my_plugin.task import make_count, make_spots

if TYPE_CHECKING:
    from tlbench import toolkit

tlbench_api = 1  # the version of the hooks that this module is written for


@hookimpl
def tlbench_register_strategies(register: toolkit.RegisterStrategy) -> None:
    """Strategies have their names from @strategy."""
    register(head_first)


@hookimpl
def tlbench_register_backbones(register: toolkit.RegisterBackbone) -> None:
    """A name and a factory, which is called with the options when a run uses the backbone."""
    register("small-conv", make_small_conv, options=SmallConvOptions, summary="three 3×3 convolutions")


@hookimpl
def tlbench_register_datasets(register: toolkit.RegisterDataset) -> None:
    """A name and a factory, as of backbones."""
    register("shapes", make_shapes, options=ShapesOptions, summary="circles, squares and triangles, drawn")
    register("spots", make_spots, summary="white spots, to be counted")


@hookimpl
def tlbench_register_tasks(register: toolkit.RegisterTask) -> None:
    """Datasets say by this name what is predicted."""
    register("count", make_count, summary="a count for each image, by a Poisson model")


@hookimpl
def tlbench_register_metrics(register: toolkit.RegisterMetric) -> None:
    """Metrics are added to the tasks that they name; nobody has to ask for them."""
    register(worst_class)


@hookimpl
def tlbench_register_reporters(register: toolkit.RegisterReporter) -> None:
    """Used by a run with --reporters my-plugin/diary."""
    register("diary", make_diary, options=DiaryOptions, summary="a line of text for each trial")


@hookimpl
def tlbench_register_executors(register: toolkit.RegisterExecutor) -> None:
    """Used by a run with --executor my-plugin/timed."""
    register("timed", make_timed, options=TimedOptions, summary="local processes, and how long each job took")


@hookimpl
def tlbench_register_columns(register: toolkit.RegisterColumn) -> None:
    """Columns are in every report; nobody has to ask for them."""
    register(above_chance)
