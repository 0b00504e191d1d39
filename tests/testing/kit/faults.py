"""Faulty plugins, each with one fault, and what the conformance kit says of it. docs/plugin-faults.md is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

HEAD = "from tlbench import hookimpl\n\ntlbench_api = 1\n"
NET = """
import numpy as np
from tlbench import Backbone, Preprocessing, Weights

def build(num_classes, image_size, pretrained):
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU())
            self.two = nn.Sequential(nn.Conv2d(4, 4, 3, 2), nn.ReLU())
            self.fc = nn.Linear(4, num_classes)
            {init}

        def forward(self, images):
            features = self.two(self.one(images)).mean((2, 3))
            {forward}
            return self.fc(features)

        def __reduce__(self):
            return rebuilt, (num_classes, image_size, self.state_dict())

    net = Net()
    {then}
    return net

def rebuilt(num_classes, image_size, state):
    net = build(num_classes, image_size, False)
    net.load_state_dict(state)
    return net

def make(options):
    return Backbone(build, **({{"head": "fc", "preprocessing": Preprocessing(size=32)}} | {stated}))

@hookimpl
def tlbench_register_backbones(register):
    register("net", make)
"""
IMAGES = """
import numpy as np
from tlbench import Dataset, Split

def images(number, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (number, 16, 16, 3), np.uint8)
    return Split(np.arange(number) % 2, lambda place: pixels[place])

train, test = images(20, 0), images(10, 1)

def make(options):
    {make}
    return Dataset({dataset})

@hookimpl
def tlbench_register_datasets(register):
    register("images", make)
"""
STRATEGY = '''
from tlbench import Options, Rewrite, Train, strategy

RATES = {{"adamw": 1e-3, "sgd": 1e-2}}
{before}

@strategy("half", **({{"learning_rates": RATES}} | {stated}))
def half(model, options):
    """A strategy."""
    {phases}

@hookimpl
def tlbench_register_strategies(register):
    register(half)
'''
TASK = """
from tlbench import Task

def make(options):
    from tlbench_tasks.single_label import OneClass, SingleLabel
    from tlbench import LossOptions, Metric
    import torch

    class Mine(SingleLabel):
        {task}

        def objective(self, names, statistics, options=LossOptions()):
            return Loss(torch.tensor(statistics["counts"], dtype=torch.float64), options)

    class Loss(OneClass):
        {objective}

    return Mine()

@hookimpl
def tlbench_register_tasks(register):
    register("mine", make)
"""
METRIC = """
from tlbench import ExtraMetric, Metric

def compute(kept):
    {compute}

@hookimpl
def tlbench_register_metrics(register):
    register(ExtraMetric(Metric("mine", "Mine", "higher", "fraction"), ("single-label",), compute))
"""
REPORTER = """
from pathlib import Path
from tlbench import Reporter

class Mine(Reporter):
    def trial_finished(self, trial, record, row):
        {finished}

    def run_started(self, plan, folder):
        self.folder = folder

@hookimpl
def tlbench_register_reporters(register):
    register("mine", lambda options: Mine())
"""
EXECUTOR = """
def make(options):
    from tlbench.toolkit import LocalProcesses

    class Mine(LocalProcesses):
        {body}

    return Mine()

@hookimpl
def tlbench_register_executors(register):
    register("mine", make)
"""


@dataclass(frozen=True)
class Fault:
    """A fault, the kind and the name of the component that has it, its plugin's source, and the check that finds it.

    `says` is the kit's sentence behind the component; … stands for what differs by machine and by chance.
    """

    fault: str
    kind: str
    component: str
    source: str
    check: str
    says: str
    slow: bool = False


def net(
    fault: str, check: str, says: str, init: str = "pass", forward: str = "pass", then: str = "pass", stated: str = "{}"
) -> Fault:
    source = HEAD + NET.format(init=init, forward=forward, then=then, stated=stated)
    return Fault(fault, "backbone", "net", source, check, says)


def images(fault: str, check: str, says: str, dataset: str, make: str = "pass") -> Fault:
    return Fault(fault, "dataset", "images", HEAD + IMAGES.format(make=make, dataset=dataset), check, says)


def half(fault: str, check: str, says: str, phases: str, stated: str = "{}", before: str = "") -> Fault:
    source = HEAD + STRATEGY.format(stated=stated, phases=phases, before=dedent(before))
    return Fault(fault, "strategy", "half", source, check, says)


def task(fault: str, check: str, says: str, task: str = "pass", objective: str = "pass") -> Fault:
    return Fault(fault, "task", "mine", HEAD + TASK.format(task=task, objective=objective), check, says)


def metric(fault: str, check: str, says: str, compute: str) -> Fault:
    return Fault(fault, "metric", "mine", HEAD + METRIC.format(compute=compute), check, says)


def reporter(fault: str, check: str, says: str, finished: str) -> Fault:
    return Fault(fault, "reporter", "mine", HEAD + REPORTER.format(finished=finished), check, says)


def executor(fault: str, check: str, says: str, body: str) -> Fault:
    return Fault(fault, "executor", "mine", HEAD + EXECUTOR.format(body=body), check, says, slow=True)


def plugin(fault: str, check: str, says: str, source: str) -> Fault:
    return Fault(fault, "plugin", "", source, check, says)


TAIL = "\n@hookimpl\ndef tlbench_register_strategies(register):\n    {body}\n"
FULL = "yield Train(model.everything)"
OPTIONS = """
from pydantic import ConfigDict, Field, field_validator

class Mine(Options):
    {field}
"""
OWN = '{"options": Mine}'
FINDS_TRIAL = """
def test_split():
    import sys

    frame = sys._getframe()
    while "context" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["context"].data.open_test()
"""
NOISE = """
def noise(model):
    import numpy as np
    import torch

    with torch.no_grad():
        for _, each in model.parameters(model.head):
            each.add_(float(np.random.default_rng().normal()))
"""
TWO_LAYERS = """
def two_layers(model):
    from torch import nn

    head = model.linear_head
    model.replace_head(nn.Sequential(nn.Linear(head.in_features, 4), nn.Linear(4, head.out_features)))
"""
ZERO = """
def zero(model):
    import torch

    with torch.no_grad():
        for _, each in model.parameters(model.blocks[0]):
            each.zero_()
"""

FAULTS: tuple[Fault, ...] = (
    plugin(
        "torch is imported where the module begins",
        "imports nothing heavy to register",
        "registering it imports torch; import them inside of the factories that need them",
        HEAD + "import torch\n" + STRATEGY.format(stated="{}", phases=FULL, before=""),
    ),
    plugin(
        "no version of the hooks is stated",
        "states the version of the hooks",
        "plugin …faulty.py can't be loaded: LookupError: it does not state the hook version it was written for; add "
        "`tlbench_api = 1`",
        "import tlbench\n",
    ),
    plugin(
        "a hook raises",
        "registers without an exception",
        "it raises when it registers, in tlbench_register_strategies: ZeroDivisionError: division by zero; a hook that "
        "raises registers nothing",
        HEAD + TAIL.format(body="1 / 0"),
    ),
    plugin(
        "nothing is registered",
        "registers something",
        "it registers nothing; implement a hook of tlbench/hookspecs.py under @tlbench.hookimpl",
        HEAD,
    ),
    plugin(
        "work is done to register",
        "registers fast",
        "registering it takes … s of CPU time, at most 1 s are allowed; do the work in the factories",
        HEAD + "import time\nwhile time.process_time() < 2.5:\n    pass\n" + STRATEGY.format(
            stated="{}", phases=FULL, before=""
        ),
    ),
    plugin(
        "a factory is called to register",
        "calls no factory to register",
        "it calls the factory of backbone net when it registers; hand over the function itself",
        HEAD
        + "from tlbench import Backbone\n\ndef make(options):\n    return Backbone(lambda: None, 'fc')\n\n"
        + "@hookimpl\ndef tlbench_register_backbones(register):\n    make(None)\n    register('net', make)\n",
    ),
    half(
        "an option has no description",
        "are described and typed",
        'its option alpha has no description; write Field(…, description="…")',
        FULL,
        OWN,
        OPTIONS.format(field="alpha: float = 0.5"),
    ),
    half(
        "misspelt options are let pass",
        "refuse unknown names",
        "it accepts the option 'no_option_of_this_name', which it does not have; keep extra=\"forbid\" of "
        "tlbench.Options",
        FULL,
        OWN,
        OPTIONS.format(
            field='model_config = ConfigDict(extra="ignore")\n    a: int = Field(1, description="a number")',
        ),
    ),
    half(
        "an option is changed by its own validator",
        "survive JSON",
        "its options are Mine(share=0.5), and read again from JSON Mine(share=0.005); they must be equal",
        FULL,
        OWN,
        OPTIONS.format(
            field='share: float = Field(0.5, description="per cent")\n\n'
            '    @field_validator("share")\n    @classmethod\n    def _share(cls, value):\n        return value / 100'
        ),
    ),
    half(
        "a value has the sign that parts values",
        "are kept by the component's name",
        "with names=('a+b',), its name is faulty/half:names=a+b, and read again it has other options: Mine(names=('a', "
        "'b')), not Mine(names=('a+b',))",
        FULL,
        OWN,
        OPTIONS.format(field='names: tuple[str, ...] = Field(("a+b", "c"), description="names")'),
    ),
    net(
        "the head is another layer than stated",
        "has the head that it states",
        "fc.bias, fc.weight of the body change shape with the classes; name the module in head=",
        stated='{"head": "two"}',
    ),
    net(
        "a layer is not used",
        "is trained as a whole",
        "a training step gives no gradient to unused.weight, unused.bias; leave out what the forward pass does not "
        "use, and detach nothing",
        init="self.unused = nn.Linear(4, 4)",
        stated='{"blocks": lambda module: ["one", "two", "unused"]}',
    ),
    net(
        "dropout goes on in eval mode",
        "is the same twice in eval mode",
        "in eval mode, two passes over the same images differ by … of the largest output",
        forward="features = torch.nn.functional.dropout(features)",
    ),
    net(
        "features are normalised over the batch in eval mode",
        "sees every image by itself in eval mode",
        "in eval mode, the outputs for an image alone and in a batch of 4 differ by … of the largest",
        forward="features = features - features.mean(0)",
    ),
    net(
        "blocks are stated in another order than they run",
        "has blocks in the order in which they run",
        "its block 0 is stated as two, and one runs in its place",
        stated='{"blocks": lambda module: ["two", "one"]}',
    ),
    net(
        "means and deviations are of values from 0 to 255",
        "has preprocessing that makes sense",
        "its means are (124.0, 124.0, 124.0) and its deviations (58.0, 58.0, 58.0); they are of values from 0 to 1, "
        "not 255",
        stated='{"preprocessing": Preprocessing((124.0,) * 3, (58.0,) * 3, size=32)}',
    ),
    net(
        "no_decay names a layer and no tensor",
        "names the parameters that are not decayed",
        "no_decay names fc, which is no parameter of its model",
        stated='{"no_decay": lambda module: ["fc"]}',
    ),
    net(
        "weights are drawn by NumPy",
        "is the same under one seed",
        "two builds under one seed differ in two.0.bias; draw from torch's generator alone",
        then="net.two[0].bias.data.fill_(np.random.default_rng().normal())",
    ),
    net(
        "pretrained=True is not heeded",
        "has published weights that stay the same",
        "two builds with pretrained=True differ in one.0.weight, one.0.bias, two.0.weight and 1 more of the body; only "
        "the head is new",
        stated='{"weights": Weights("mine", lambda: None, places=(__file__,))}',
    ),
    net(
        "images of one size alone are taken, by chance",
        "takes images of another size than its own",
        "it takes images of its own 32 pixels alone (16 pixels: RuntimeError: …); build must use image_size, or raise "
        "tlbench.UserError that says which sizes it takes",
        init="self.places = nn.Parameter(torch.zeros(4, 7, 7))",
        forward="features = (self.two(self.one(images)) + self.places).mean((2, 3))",
        stated='{"blocks": lambda module: ["one", "two"]}',
    ),
    net(
        "the outputs have another width than the classes",
        "is built for 2 and for 10 classes",
        "for 4 images of 32 pixels and 2 classes its outputs have the shape 4×3, not 4×2",
        then="net.fc = nn.Linear(4, 3)",
    ),
    images(
        "test has images of train",
        "has splits that share no image",
        "10 images of its test are in train too (image 0 of test is image 0 of train); splits must share no image",
        "('a', 'b'), train, 16, test=images(10, 0)",
    ),
    images(
        "a label is out of range",
        "has labels that fit its task",
        "the task single-label refuses the labels of train: the label of example 0 is 1; with 1 classes, labels are 0 "
        "to 0",
        "('a',), Split([1, 0], train.image), 16",
    ),
    images(
        "train lacks a class",
        "has labels that fit its task",
        "train has no image of 1 of 3 classes (c): nothing is learned of them; name in classes= what train has",
        "('a', 'b', 'c'), train, 16",
    ),
    images(
        "there are fewer images than labels",
        "has an image for every label",
        "its train has 21 labels, and image 20 can't be read (IndexError: index 20 is out of bounds for axis 0 with "
        "size 20); there must be an image for every label",
        "('a', 'b'), Split(np.arange(21) % 2, train.image), 16",
    ),
    images(
        "images are in the order of a set",
        "is the same in another process",
        "its train has other images in another process; draw nothing at random, and sort the files",
        "('a', 'b'), Split(np.arange(20) % 2, lambda place: train.image(order[place])), 16",
        "order = [int(each) for each in {str(number) for number in range(20)}]",
    ),
    images(
        "the fingerprint is another one each time",
        "has a fingerprint that stays the same",
        "its fingerprint is … here and … in another process",
        "('a', 'b'), train, 16, fingerprint=str(hash('images'))",
    ),
    images(
        "images are changed at random",
        "gives the same image twice, and to several threads",
        "image … of train is another one when it is asked for twice; it must be the same pixels",
        "('a', 'b'), Split(train.labels, lambda place: np.roll(train.image(place), np.random.randint(1, 99))), 16",
    ),
    images(
        "images are floats from 0 to 255",
        "has images as the contract says",
        "image 0 of train is no image of 3 channels: its floats lie in …",
        "('a', 'b'), Split(train.labels, lambda place: train.image(place).astype(np.float32)), 16",
    ),
    images(
        "the native size is that of other images",
        "has the size that it states",
        "its native_size is 224, and the shorter side of its images has 16 pixels",
        "('a', 'b'), train, 224",
    ),
    task(
        "the primary metric is none of the metrics",
        "states its metrics",
        "its primary metric is 'f1', which is not among its metrics: accuracy, top5_accuracy, balanced_accuracy, "
        "macro_f1, nll, ece",
        task="primary = 'f1'",
    ),
    task(
        "the loss is detached from the outputs",
        "has a loss for each example",
        "its loss has no gradient; compute it of the outputs by differentiable operations",
        objective="loss = lambda self, outputs, labels: super().loss(outputs.detach(), labels)",
    ),
    task(
        "a metric states the wrong direction",
        "is learned by a few steps",
        "its loss falls, and its primary metric accuracy goes from … to …, where lower is better",
        task="metrics = (Metric('accuracy', 'Accuracy', 'lower', 'share'), *SingleLabel.metrics[1:])",
    ),
    task(
        "example scores are those of another metric",
        "has example scores whose mean is the metric",
        "the mean of its example scores is …, and its accuracy …",
        objective="example_scores = lambda self, kept: kept['loss']",
    ),
    half(
        "a frozen layer is changed after each step",
        "changes nothing but what it trains",
        "the phase has changed what it does not train: stem.0.weight, stem.1.weight; a Train phase names "
        "what else it changes in `moves`",
        "yield Train(model.head, after_step=zero)",
        before=ZERO,
    ),
    half(
        "the model is chosen on test",
        "leaves test alone",
        "it reads the test split before the last choice is made (the test split is shut until training has ended and "
        "the last choice was made on val); choose on val, by Validate",
        "test_split()\n    " + FULL,
        before=FINDS_TRIAL,
    ),
    half(
        "chance is drawn without the seed",
        "is the same under one seed",
        "two runs with seed 0 leave other tensors: fc.weight, fc.bias; draw random numbers from torch's global "
        "generator or from model.generator alone",
        FULL + "\n    yield Rewrite(noise)",
        before=NOISE,
    ),
    half(
        "two trainings are stated as one",
        "spends the passes that it states",
        "it states no passes, which means 1, and its 2 Train phases have 2 times the epochs",
        "yield Train(model.head)\n    " + FULL,
    ),
    half(
        "no rate is stated for SGD",
        "states its learning rates",
        "it states no learning rate for sgd; state one for adamw and one for sgd",
        FULL,
        '{"learning_rates": {"adamw": 1e-3}}',
    ),
    half(
        "the head is replaced, and no rebuild is stated",
        "is built again from what is saved",
        "its model is not saved: strategy faulty/half changes the model's structure, and states no `rebuild` that "
        "makes fc.0.bias, fc.0.weight, fc.1.bias and more",
        "yield Rewrite(two_layers)\n    " + FULL,
        before=TWO_LAYERS,
    ),
    half(
        "what is yielded is no phase",
        "ends well",
        "it does not end well: PhaseError: strategy faulty/half yielded …, which is not a phase",
        "yield model.head",
    ),
    half(
        "head_only is stated, and the body is trained",
        "trains the head alone, as it states",
        "strategy faulty/half states head_only, and yields a Train of something else: it must be one Train "
        "of the head by the task's loss, or not state it",
        FULL,
        '{"head_only": True}',
    ),
    half(
        "baseline is stated, and the body is trained",
        "is a baseline, as it states",
        "it states baseline, and has trained … of the body; a baseline trains none of it",
        FULL,
        '{"baseline": True}',
    ),
    half(
        "serves answers False",
        "says whether it can adapt a model",
        "serves answers False for a small residual network; it must answer None or a sentence that says why not",
        FULL,
        '{"serves": lambda model, options: False}',
    ),
    metric(
        "a metric looks at the first half alone",
        "does not depend on the order of examples",
        "it is …, and … of the same predictions in another order",
        "return float(kept['confidence'][:120].mean())",
    ),
    metric(
        "a share is in per cent",
        "is a finite number in its range",
        "of random predictions it is out of range: mine is …; a fraction lies in 0..1",
        "return 100 * float(kept['confidence'].mean())",
    ),
    metric(
        "what is given is changed",
        "is the same twice, and changes nothing",
        "it changes confidence, which other metrics are computed of, too; work on a copy",
        "return float(kept['confidence'].mul_(0.5).mean())",
    ),
    reporter(
        "a file is written into the working folder",
        "writes into the run's folder alone",
        "it writes to …/log.txt, which is outside of the run's folder; write below the folder it is given",
        "Path('log.txt').write_text('done')",
    ),
    reporter(
        "figures are taken to be there",
        "is told of trials that fail",
        "trial_finished raises AttributeError: 'NoneType' object has no attribute 'test'; a reporter that raises is "
        "told no more",
        "round(record.metrics.test['accuracy'], 3)",
    ),
    reporter(
        "a name is taken for a file's",
        "bears hostile names",
        "trial_finished raises …; a reporter that raises is told no more",
        "(self.folder / record.trial.cell.backbone.replace('/', '-')).write_text('done')",
    ),
    executor(
        "a job comes back twice",
        "brings every job back once",
        "the job … ends 2 times; the last message of a job comes once",
        "def messages(self, wait):\n            for each in super().messages(wait):\n                yield each\n"
        "                yield each",
    ),
    executor(
        "close leaves jobs running",
        "ends what runs when it is closed",
        "after 15 s, close() has left 1 process of a job running; it must end what runs",
        "def close(self):\n            pass",
    ),
)  # fmt: skip
