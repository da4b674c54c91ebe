/** @file Options that several commands have: how weights are updated, and on which device. */
import { type Command, Option } from "commander";
import { mostThreads } from "../devices/device.ts";
import { deviceName, OPTIMIZER_NAMES, RATE_SCHEDULE_NAMES, real, whole } from "./options.ts";

/** Weights of recurrent networks are of the order of 1: what moves them further in one update is a slip of the pen. */
export const LARGEST_RATE = 1000;

const DEVICE =
  "gpu, cpu (WebAssembly), software (SwiftShader), interpreter (float64: exact and slow), or auto: gpu where there is one, else cpu";

/** How weights are updated. */
export function addUpdateOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--optimizer <name>", "rule of update; adamw is adam with --weight-decay 0.01")
        .choices(OPTIMIZER_NAMES)
        .default("adam"),
    )
    .addOption(
      new Option(
        "--lr-schedule <name>",
        "how the learning rate goes on after the warm-up: linear and cosine fall towards 0, step to a tenth after each third, plateau to a half where the held-out loss stops falling",
      )
        .choices(RATE_SCHEDULE_NAMES)
        .default("constant"),
    )
    .option("--warmup <n>", "updates over which the learning rate rises to --lr", whole("--warmup", 0), 0)
    .option(
      "--weight-decay <x>",
      "part of each matrix that is taken away per update, times the learning rate; biases do not decay",
      real("--weight-decay", LARGEST_RATE, { mayBeZero: true }),
    )
    .option(
      "--clip <x>",
      "largest norm of the gradient of all weights; 0 for no limit",
      real("--clip", 1e9, { mayBeZero: true }),
      1,
    );
}

export function device(about = DEVICE): Option {
  return new Option("--device <device>", about).argParser(deviceName).default("auto");
}

export function threads(): Option {
  return new Option("--threads <n>", "threads of device cpu; by default as many as the CPU has cores").argParser(
    whole("--threads", 1, mostThreads),
  );
}

/** Far more seconds than a step or the kernels of one take anywhere. */
const PATIENCE = 600;

export function timeout(): Option {
  return new Option("--timeout <seconds>", "give the device up after so many seconds without an answer")
    .argParser(real("--timeout", 1e6))
    .default(PATIENCE);
}

/** How a table is read where its text does not tell. */
export function addTableOptions(command: Command): Command {
  return command
    .option("--separator <mark>", "of a table's fields: comma, semicolon, tab, space, bar, or any character")
    .addOption(
      new Option("--decimal <mark>", "what stands before the decimals of a table's numbers").choices([
        "point",
        "comma",
      ]),
    )
    .addOption(
      new Option("--missing <how>", "what a missing value of a table is: the last one before it").choices(["last"]),
    );
}
