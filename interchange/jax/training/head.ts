/** @file The beginning of train.py: its imports and its options. */
import type { TrainScriptOptions } from "./options.ts";

export const head = ({
  reads,
  isRandom,
  unit,
}: TrainScriptOptions) => `"""Trains the model of model.py on all devices of all hosts; writes cellgrad models.

The weights are those of weights.safetensors, or of --resume FILE. Every file that this
program writes is a cellgrad model again: ${"`cellgrad sample`, `cellgrad forecast`"} and the
playground read it, and ${"`cellgrad train --resume`"} and --resume here go on with it.
"""

import argparse
${reads === "table" ? "import csv\n" : ""}import hashlib
import json
import math
import os
${reads === "table" ? "import re\n" : ""}import sys
import time
from functools import partial
${reads === "table" ? "from itertools import islice\n" : ""}from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from safetensors import safe_open
from safetensors.numpy import save_file
${reads === "tokens" ? "from tokenizers import Tokenizer\n" : ""}
import model

HERE = Path(__file__).parent
FINGERPRINT_BYTES = 65536
UNIT = "${unit}"
# Batches of a held-out loss: enough for two digits of it, however long the file.
EVAL_BATCHES = 100
# Measurements of the held-out loss per run, where the run needs it.
MEASUREMENTS = 20


class Fault(Exception):
    """What is wrong with a file or an option, in one line."""


class CommonFault(Fault):
    """A fault for which all processes end at the same time."""


def options():
    parser = argparse.ArgumentParser(
        description="Train the model of model.py on ${reads === "table" ? "a table of numbers" : reads === "bytes" ? "a file of bytes" : "a text"}.",
        epilog="example: python train.py ${reads === "table" ? "series.csv" : "book.txt"} --steps 1000 --out new.safetensors",
    )
    add = parser.add_argument
    add("data", type=Path, help="${reads === "table" ? "a .csv or .tsv file with the model's columns" : "the file to train on"}")
    add(
        "--resume",
        type=Path,
        help="a model to go on with (default: weights.safetensors)",
    )
    add(
        "--out",
        type=Path,
        default=Path("trained.safetensors"),
        help="the trained model",
    )
    add("--steps", type=int, help="batches to train on (default: those planned)")
    add("--batch", type=int, help="rows side by side (default: the model's, or 16)")
    add("--time", type=int, help="time steps of a batch (default: the model's, or 64)")
    add("--accumulate", type=int, help="batches per update (default: the model's)")
    add("--lr", type=float, help="learning rate (default: the model's, or 0.002)")
    add("--eval-every", type=int, help="batches between measured held-out losses")
    add("--eval-batches", type=int, help="batches of a measurement, 0 for all (or 100)")
    add("--patience", type=int, help="end after N measurements without an improvement")
${isRandom ? '    add("--seed", type=int, help="of the random numbers (default: the model\'s, or 1)")\n' : ""}${
  reads === "table"
    ? `    add("--separator", help="of the fields (default: the one that fits the columns)")
    add("--decimal", choices=["point", "comma"], help="of numbers (default: found)")
    add("--missing", choices=["last"], help="last: repeat the value before")
`
    : ""
}    add("--save-every", type=int, default=0, help="also save every N batches")
    add("--model-devices", type=int, default=1, help="devices that share each weight")
    add(
        "--dtype", choices=["f32", "bf16"], default="f32", help="of products and states"
    )
    add(
        "--remat",
        action="store_true",
        help="recompute the forward pass, to save memory",
    )
    add("--log-every", type=int, default=10, help="batches between lines of progress")
    add("--coordinator", help="HOST:PORT of the first of several processes")
    add("--processes", type=int, help="how many processes there are")
    add("--process", type=int, help="the number of this process, from 0")
    add("--timeout", type=int, default=100, help="seconds to wait for other processes")
    return parser.parse_args()
`;
