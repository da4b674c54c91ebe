/**
 * @file The commands, their options and their help texts. The code of a command is in `commands/` and is loaded when it
 * runs, so that help and usage errors appear at once.
 */

import { Command, Option } from "commander";
import { zoo } from "../cells/zoo.ts";
import { scheduleChoices } from "../compiler/plan/scan/names.ts";
import { invocation } from "./invocation.ts";
import { assignments, checkThreads, EVAL_BATCHES, names, type RateRange, real, realOrRange, whole } from "./options.ts";
import {
  addTableOptions,
  addUpdateOptions,
  device,
  LARGEST_RATE,
  memory,
  precision,
  threads,
  timeout,
} from "./shared-options.ts";
import type { Streams } from "./streams.ts";
import type { TrainCommandOptions } from "./train-options.ts";
import { addWeightCommands } from "./weight-commands.ts";

export interface Invocation {
  readonly streams: Streams;
  readonly version: string;
  /** Called with the exit code of the command. */
  readonly finish: (exitCode: number) => void;
}

const CELL = `a built-in cell (${Object.keys(zoo).join(", ")}) or a file: equations (.cell), or a module that exports one`;
/** With more units, a single matrix exceeds the largest buffer of any known adapter. */
const MOST_UNITS = 16384;
const MOST_BATCH = 65535;
const MOST_TIME = 65535;
const MOST_MODELS = 4096;
const LARGEST_SEED = 2 ** 32 - 1;

/** The options of `train` as they are parsed. */
type RawTrainOptions = Omit<TrainCommandOptions, "lr" | "lrRange"> & { readonly lr: number | RateRange };

function withRates({ lr, ...options }: RawTrainOptions): TrainCommandOptions {
  if (typeof lr === "number") return { ...options, lr };
  return { ...options, lr: Math.sqrt(lr.from * lr.to), lrRange: lr };
}

export function createProgram({ streams, version, finish }: Invocation): Command {
  const program = new Command("cellgrad")
    .description("Trains recurrent cells, yours or the built-in ones, on WebGPU and on the CPU.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false)
    .addHelpText("after", "\ncellgrad <command> --help shows the options of a command and examples.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      // Errors are thrown; main() prints them as one line.
      writeErr: () => {},
      outputError: () => {},
    })
    .hook("preAction", (_, command) => checkThreads(command.opts()));
  const training = program
    .command("train")
    .argument("<file>", "a UTF-8 text, or a numeric series (.csv or .tsv, one row per time step)")
    .description("train a network on a text (predict the next character) or on a series (predict the next row)")
    .option("--cell <cell>", CELL, "lstm")
    .option("--units <n>", "units of each layer", whole("--units", 1, MOST_UNITS), 128)
    .option("--layers <n>", "stacked recurrent layers", whole("--layers", 1, 64), 1)
    .option("--embed <n>", "width of the character embedding (text only)", whole("--embed", 1, MOST_UNITS), 64)
    .option("--batch <n>", "sequences side by side", whole("--batch", 1, MOST_BATCH), 16)
    .option("--time <n>", "time steps per update", whole("--time", 1, MOST_TIME), 32)
    .option("--steps <n>", "number of updates", whole("--steps", 1), 1000)
    .option(
      "--lr <x>",
      "learning rate; 0.002 suits adam, sgd needs more, lion less; a range such as 1e-4..1e-1 for a population",
      realOrRange("--lr", LARGEST_RATE),
      0.002,
    );
  addUpdateOptions(training)
    .addOption(memory())
    .option("--seed <n>", "random seed; the same seed repeats the run", whole("--seed", 0, LARGEST_SEED), 1)
    .option(
      "--population <n>",
      "train n models at once, with different seeds or with the rates of --lr FROM..TO, show their curves and keep the best",
      whole("--population", 1, MOST_MODELS),
    )
    .option("--halving", "of a population, end the worse half after each round, until one model is left")
    .option("--tune", "first search for faster tile sizes, for at most a minute; the result is saved in the model")
    .option("--tuning <model>", "train with the tuning saved in a model")
    .option("--tokens <how>", "how a text is split: characters, bytes, or the path of a tokenizer.json", "characters")
    .option("--columns <names>", "table columns to read, by name or number, separated by commas", names("--columns"));
  addTableOptions(training)
    .option(
      "--eval-every <n>",
      "measure the held-out loss every n updates, and keep the best weights",
      whole("--eval-every", 1),
    )
    .option(
      "--eval-batches <n>",
      "most held-out batches per measurement; 0 for all",
      whole("--eval-batches", 0),
      EVAL_BATCHES,
    )
    .option("--patience <n>", "stop after n measurements in a row without an improvement", whole("--patience", 1))
    .option("--resume <model>", "continue the run that wrote this model, as if it had not ended")
    .option(
      "--log <file>",
      "write the loss of every update to a file, as JSON lines; tensorboard or tensorboard:FOLDER writes an event file of TensorBoard",
    )
    .option("--out <model>", "file for the trained model (safetensors), also written during the run")
    .option(
      "--save-every <seconds>",
      "write the model at least this often during the run, and whenever the held-out loss improves; a killed run can be resumed from it",
      real("--save-every", 86_400),
      60,
    )
    .option(
      "--debug-nan",
      "if a number is not finite, rerun that step in the interpreter and name the op that produced it",
    )
    .option("--json", 'print JSON lines: one per step, and a last one with "done"')
    .addOption(device())
    .addOption(threads())
    .addOption(timeout())
    .addHelpText(
      "after",
      examples([
        "cellgrad train book.txt --out book.safetensors",
        "cellgrad train book.txt --cell ./my-cell.ts --units 256 --steps 5000",
        "cellgrad train book.txt --lr-schedule cosine --warmup 100 --optimizer adamw",
        "cellgrad train book.txt --population 32 --lr 1e-4..1e-1 --halving --out book.safetensors",
        "cellgrad train book.txt --tune --steps 5000 --out book.safetensors",
        "cellgrad train sales.csv --units 32 --batch 8 --out sales.safetensors",
        "cellgrad train sales.csv --columns price,stock --patience 5 --out sales.safetensors",
        "cellgrad train book.txt --resume book.safetensors --steps 1000 --out book.safetensors",
      ]),
    )
    .action(async (file: string, written: RawTrainOptions, command: Command) => {
      const options = withRates(written);
      const train =
        options.population === undefined
          ? (await import("./commands/train.ts")).train
          : (await import("./commands/train-population.ts")).trainPopulation;
      const given = new Set(Object.keys(options).filter((name) => command.getOptionValueSource(name) === "cli"));
      finish(await train(file, { ...options, given }, streams));
    });

  const task = program
    .command("task")
    .argument("[name]", "a task, such as adding; without a name, lists the tasks")
    .description("train a network on a synthetic benchmark task and measure it on new sequences")
    .option("--cell <cell>", CELL, "lstm")
    .option("--units <n>", "units of each layer", whole("--units", 1, MOST_UNITS), 32)
    .option("--layers <n>", "stacked recurrent layers", whole("--layers", 1, 64), 1)
    .option("--embed <n>", "width of the symbol embedding", whole("--embed", 1, MOST_UNITS), 16)
    .option("--batch <n>", "sequences side by side", whole("--batch", 1, MOST_BATCH), 16)
    .option("--time <n>", "sequence length, as the task defines it", whole("--time", 1, MOST_TIME), 50)
    .option("--steps <n>", "number of updates", whole("--steps", 1), 1000)
    .option("--lr <x>", "learning rate", real("--lr", LARGEST_RATE), 0.01);
  addUpdateOptions(task)
    .option("--seed <n>", "random seed; the same seed repeats the run", whole("--seed", 0, LARGEST_SEED), 1)
    .option("--with <name=value>", "a parameter of the task; can be repeated", assignments("--with"), {})
    .option(
      "--start <path=value>",
      "initial value of all parameters whose path ends this way, such as input/bias=-3",
      assignments("--start"),
      {},
    )
    .option("--json", "print one JSON object")
    .addOption(device())
    .addOption(threads())
    .addOption(timeout())
    .addHelpText(
      "after",
      examples([
        "cellgrad task",
        "cellgrad task adding --cell gru --time 100 --steps 2000",
        "cellgrad task copy --cell ./my-cell.ts --with length=5 --seed 3",
      ]),
    )
    .action(async (name: string | undefined, options) => {
      const { taskCommand } = await import("./commands/task.ts");
      finish(await taskCommand(name, options, streams));
    });

  program
    .command("sample")
    .argument("<model>", "a model trained on text")
    .description("generate text with a trained model")
    .option("--prompt <text>", "text to continue", "")
    .option("--length <n>", "characters to generate", whole("--length", 1), 400)
    .option(
      "--temperature <x>",
      "sampling temperature: below 1 is more conservative, above 1 more random; 0 picks the most likely character",
      real("--temperature", 1000, { mayBeZero: true }),
      0.8,
    )
    .option("--seed <n>", "random seed; the same seed repeats the text", whole("--seed", 0, LARGEST_SEED), 1)
    .option("--json", "print one JSON object at the end instead of streaming the text")
    .addOption(device())
    .addOption(threads())
    .addOption(timeout())
    .addHelpText(
      "after",
      examples([
        "cellgrad sample book.safetensors --length 1000",
        'cellgrad sample book.safetensors --prompt "Once upon" --temperature 0.5 --seed 7',
      ]),
    )
    .action(async (model: string, options) => {
      const { sample } = await import("./commands/sample.ts");
      finish(await sample(model, options, streams));
    });

  const forecasting = program
    .command("forecast")
    .argument("<model>", "a model trained on a series")
    .argument("<file>", "the series so far (.csv or .tsv), including the columns that the model was trained on")
    .description("continue a numeric series and print the new rows as CSV")
    .option("--horizon <n>", "rows to forecast", whole("--horizon", 1), 10);
  addTableOptions(forecasting)
    .option("--json", "print one JSON object instead of CSV")
    .addOption(device())
    .addOption(threads())
    .addOption(timeout())
    .addHelpText("after", examples(["cellgrad forecast sales.safetensors sales.csv --horizon 24 > next.csv"]))
    .action(async (model: string, file: string, options) => {
      const { forecastCommand } = await import("./commands/forecast.ts");
      finish(await forecastCommand(model, file, options, streams));
    });

  program
    .command("inspect")
    .description(
      "show how a cell is compiled: the IR before and after each pass, kernels, dispatches, bytes; or time each kernel",
    )
    .option("--cell <cell>", CELL, "lstm")
    .option("--units <n>", "units of each layer", whole("--units", 1, MOST_UNITS), 128)
    .option("--layers <n>", "stacked recurrent layers", whole("--layers", 1, 64), 1)
    .option("--embed <n>", "width of the embedding", whole("--embed", 1, MOST_UNITS), 64)
    .option("--vocabulary <n>", "size of the vocabulary", whole("--vocabulary", 1, 1_000_000), 64)
    .option("--batch <n>", "sequences side by side", whole("--batch", 1, MOST_BATCH), 16)
    .option("--time <n>", "time steps per update", whole("--time", 1, MOST_TIME), 32)
    .addOption(
      new Option("--schedule <schedule>", "how loops over time run; auto chooses by the shapes")
        .choices(scheduleChoices)
        .default("auto"),
    )
    .addOption(precision())
    .addOption(memory())
    .option("--tuning <model>", "show the tuning saved in a model, and compile with it")
    .option("--equations", "print the cell's equations as a .cell file, at this number of units and --embed features")
    .option("--latex", "print the cell's equations as LaTeX")
    .option(
      "--profile",
      "run a training step on a device and show time, FLOP and bytes of each kernel instead of its code",
    )
    .addOption(
      device(
        "with --profile: gpu, cpu (WebAssembly), software (SwiftShader), or auto (gpu if there is one, else cpu); without --profile, cpu shows WebAssembly instead of WGSL",
      ),
    )
    .addOption(threads())
    .addOption(timeout())
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      examples([
        "cellgrad inspect --cell gru --units 64",
        "cellgrad inspect --cell ./my-cell.ts --profile",
        "cellgrad inspect --cell ./my-cell.ts --json",
        "cellgrad inspect --cell gru --equations > my-gru.cell",
      ]),
    )
    .action(async (options, command: Command) => {
      const { inspect } = await import("./commands/inspect.ts");
      const deviceGiven = ["threads", "timeout", "device"].find((name) => command.getOptionValueSource(name) === "cli");
      finish(await inspect({ ...options, deviceGiven }, streams));
    });

  program
    .command("check")
    .argument("<module>", "a module that exports a cell, or the name of a built-in cell")
    .description("check the gradients of a cell on random sizes and values; exits with 1 if one is wrong")
    .option("--cases <n>", "number of random cases", whole("--cases", 1, 1_000_000), 100)
    .option("--order <n>", "2 also checks second derivatives", whole("--order", 1, 2), 1)
    .option("--surrogates", "take the vjp of every customGradient as the derivative, as for a spiking cell")
    .option("--seed <n>", "random seed of the cases; chosen and printed if not given", whole("--seed", 0, LARGEST_SEED))
    .option(
      "--units <n>",
      "fixed number of units, for a cell that does not support every number",
      whole("--units", 1, 64),
    )
    .option("--features <n>", "fixed number of features of x", whole("--features", 1, 64))
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      examples(["cellgrad check ./my-cell.ts", "cellgrad check ./my-cell.ts --cases 1000 --seed 7"]),
    )
    .action(async (module: string, options) => {
      const { check } = await import("./commands/check.ts");
      finish(await check(module, options, streams));
    });

  addWeightCommands(program, { streams, finish, examples });

  program
    .command("start")
    .description("demonstration: train an LSTM on real text, then generate a sample")
    .option("--steps <n>", "number of updates (default: the demonstration's own)", whole("--steps", 1))
    .addOption(device())
    .addOption(threads())
    .addOption(timeout())
    .addHelpText("after", examples(["cellgrad start", "cellgrad start --device gpu"]))
    .action(async (options) => {
      const { start } = await import("./commands/start.ts");
      finish(await start(options, streams));
    });

  program
    .command("help")
    .argument("[command]", "the command")
    .description("show the help of a command")
    .action(async (name: string | undefined) => {
      const found = name === undefined ? program : program.commands.find((command) => command.name() === name);
      if (found !== undefined) found.outputHelp();
      // Throws commander's error with the nearest command name.
      else await program.parseAsync([name ?? ""], { from: "user" });
    });

  return program;
}

function examples(lines: readonly string[]): string {
  const started = lines.map((text) => text.replace(/^cellgrad /, `${invocation(process.argv[1])} `));
  return `\nExamples:\n${started.map((text) => `  ${text}`).join("\n")}`;
}
