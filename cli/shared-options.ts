/** @file Options that several commands share: weight updates, device, tables. */
import { type Command, Option } from "commander";
import { mostThreads } from "../devices/device.ts";
import {
  deviceName,
  memorySize,
  OPTIMIZER_NAMES,
  PRECISION_NAMES,
  RATE_SCHEDULE_NAMES,
  real,
  whole,
} from "./options.ts";

/** Weights of recurrent networks are of order 1: a larger learning rate is a typing error. */
export const LARGEST_RATE = 1000;

const DEVICE =
  "gpu, cpu (WebAssembly), software (SwiftShader), interpreter (float64: exact and slow), or auto (gpu if there is one, else cpu)";

/** Adds the options of optimizer, schedule, weight decay and clipping. */
export function addUpdateOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--optimizer <name>", "optimizer; adamw is adam with --weight-decay 0.01")
        .choices(OPTIMIZER_NAMES)
        .default("adam"),
    )
    .addOption(
      new Option(
        "--lr-schedule <name>",
        "learning rate after the warm-up: linear and cosine decay to 0, step divides by 10 after each third of the run, plateau halves when the held-out loss stops falling",
      )
        .choices(RATE_SCHEDULE_NAMES)
        .default("constant"),
    )
    .option("--warmup <n>", "updates over which the learning rate rises to --lr", whole("--warmup", 0), 0)
    .option(
      "--weight-decay <x>",
      "decoupled weight decay: each update shrinks matrices by this fraction times the learning rate; biases do not decay",
      real("--weight-decay", LARGEST_RATE, { mayBeZero: true }),
    )
    .option(
      "--clip <x>",
      "clip the global norm of the gradient to this; 0 for no clipping",
      real("--clip", 1e9, { mayBeZero: true }),
      1,
    )
    .option("--accumulate <n>", "batches per update, whose gradients are averaged", whole("--accumulate", 1), 1)
    .addOption(precision());
}

export function precision(): Option {
  return new Option(
    "--precision <name>",
    "mixed stores the values of loops in f16, computes in f32, and scales the loss",
  )
    .choices(PRECISION_NAMES)
    .default("f32");
}

export function memory(): Option {
  return new Option(
    "--memory <size>",
    "most memory of a training step, such as 256MiB, or auto for what the device allows; longer sequences are cut into segments that are computed twice (default: nothing is cut)",
  ).argParser(memorySize("--memory"));
}

export function device(about = DEVICE): Option {
  return new Option("--device <device>", about).argParser(deviceName).default("auto");
}

export function threads(): Option {
  return new Option("--threads <n>", "threads of the cpu device (default: one per core)").argParser(
    whole("--threads", 1, mostThreads),
  );
}

/** Seconds; far more than one step takes on any device. */
const DEFAULT_TIMEOUT = 600;

export function timeout(): Option {
  return new Option("--timeout <seconds>", "stop if the device does not answer for this long")
    .argParser(real("--timeout", 1e6))
    .default(DEFAULT_TIMEOUT);
}

/** Adds the options of a table's format, for tables where it cannot be detected. */
export function addTableOptions(command: Command): Command {
  return command
    .option("--separator <mark>", "field separator of a table: comma, semicolon, tab, space, bar, or any character")
    .addOption(new Option("--decimal <mark>", "decimal separator of a table's numbers").choices(["point", "comma"]))
    .addOption(
      new Option("--missing <how>", "how to fill missing values of a table: with the last value before").choices([
        "last",
      ]),
    );
}
