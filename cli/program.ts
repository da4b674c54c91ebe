/**
 * @file The commands, their options and their help: what `cellgrad --help` says. What a command does is in `commands/`
 * and is loaded when it runs, so that help and errors of usage come at once.
 */

import { Command, Option } from "commander";
import { zoo } from "../cells/zoo.ts";
import { scheduleChoices } from "../compiler/plan/scan/names.ts";
import { invocation } from "./invocation.ts";
import { checkThreads, EVAL_BATCHES, names, numbered, real, whole } from "./options.ts";
import { addTableOptions, addUpdateOptions, device, LARGEST_RATE, threads, timeout } from "./shared-options.ts";
import type { Streams } from "./streams.ts";
import type { TrainCommandOptions } from "./train-options.ts";
import { addWeightCommands } from "./weight-commands.ts";

export interface Invocation {
  readonly streams: Streams;
  readonly version: string;
  /** Takes the exit code of the command that ran. */
  readonly finish: (exitCode: number) => void;
}

const CELL = `a built-in cell (${Object.keys(zoo).join(", ")}) or a module that exports one`;
/** Beyond this, one matrix alone is larger than a buffer of any adapter we know. */
const MOST_UNITS = 16384;
const MOST_BATCH = 65535;
const MOST_TIME = 65535;
const LARGEST_SEED = 2 ** 32 - 1;

export function createProgram({ streams, version, finish }: Invocation): Command {
  const program = new Command("cellgrad")
    .description("Trains recurrent cells, yours or the built-in ones, on WebGPU.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand(false)
    .addHelpText("after", "\ncellgrad <command> --help shows the options of a command, with examples.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => streams.stdout.write(text),
      // Errors are thrown, and main() writes them as one line.
      writeErr: () => {},
      outputError: () => {},
    })
    .hook("preAction", (_, command) => checkThreads(command.opts()));
  const training = program
    .command("train")
    .argument("<file>", "a text in UTF-8, or a numeric series (.csv or .tsv: a row for each time step)")
    .description("train a network on a text (next character) or on a series (next row of values)")
    .option("--cell <cell>", CELL, "lstm")
    .option("--units <n>", "units of each layer", whole("--units", 1, MOST_UNITS), 128)
    .option("--layers <n>", "stacked recurrent layers", whole("--layers", 1, 64), 1)
    .option("--embed <n>", "width of the characters' embedding (text only)", whole("--embed", 1, MOST_UNITS), 64)
    .option("--batch <n>", "sequences side by side", whole("--batch", 1, MOST_BATCH), 16)
    .option("--time <n>", "time steps per update", whole("--time", 1, MOST_TIME), 32)
    .option("--steps <n>", "updates", whole("--steps", 1), 1000)
    .option(
      "--lr <x>",
      "learning rate; 0.002 suits adam: sgd wants more, lion less",
      real("--lr", LARGEST_RATE),
      0.002,
    );
  addUpdateOptions(training)
    .option("--seed <n>", "one seed gives one run", whole("--seed", 0, LARGEST_SEED), 1)
    .option("--tune", "search for faster tile sizes first, for a minute at most; the model keeps what was found")
    .option("--tuning <model>", "train with the tuning that a model keeps")
    .option(
      "--tokens <how>",
      "what a text is made of: characters, bytes, or the path of a tokenizer.json",
      "characters",
    )
    .option(
      "--columns <names>",
      "columns of a table to read, by name or number, with commas between them",
      names("--columns"),
    );
  addTableOptions(training)
    .option(
      "--eval-every <n>",
      "measure the held-out loss every so many updates, and keep the best weights",
      whole("--eval-every", 1),
    )
    .option(
      "--eval-batches <n>",
      "batches of the held-out part that a measurement takes, at the most; 0 for all",
      whole("--eval-batches", 0),
      EVAL_BATCHES,
    )
    .option("--patience <n>", "end after so many measurements without an improvement", whole("--patience", 1))
    .option("--resume <model>", "go on with the run that wrote a model, as if it had not ended")
    .option("--log <file>", "write the losses of all updates to a file, as JSON lines")
    .option("--out <model>", "file for the trained model (safetensors), written on the way too")
    .option(
      "--save-every <seconds>",
      "write the model at least this often on the way, and whenever a better one is measured; a killed run resumes from it",
      real("--save-every", 86_400),
      60,
    )
    .option(
      "--debug-nan",
      "where a number is not finite, find the op that made it: the interpreter runs that step again",
    )
    .option("--json", 'JSON lines on standard output: one a step, and a last one with "done"')
    .addOption(device())
    .addOption(threads())
    .addOption(timeout())
    .addHelpText(
      "after",
      examples([
        "cellgrad train book.txt --out book.safetensors",
        "cellgrad train book.txt --cell ./my-cell.ts --units 256 --steps 5000",
        "cellgrad train book.txt --lr-schedule cosine --warmup 100 --optimizer adamw",
        "cellgrad train book.txt --tune --steps 5000 --out book.safetensors",
        "cellgrad train sales.csv --units 32 --batch 8 --out sales.safetensors",
        "cellgrad train sales.csv --columns price,stock --patience 5 --out sales.safetensors",
        "cellgrad train book.txt --resume book.safetensors --steps 1000 --out book.safetensors",
      ]),
    )
    .action(async (file: string, options: TrainCommandOptions, command: Command) => {
      const { train } = await import("./commands/train.ts");
      const given = new Set(Object.keys(options).filter((name) => command.getOptionValueSource(name) === "cli"));
      finish(await train(file, { ...options, given }, streams));
    });

  const task = program
    .command("task")
    .argument("[name]", "a task, such as adding; without it the tasks are listed")
    .description("train a network on one of the field's own tasks, made from a seed, and measure it on fresh sequences")
    .option("--cell <cell>", CELL, "lstm")
    .option("--units <n>", "units of each layer", whole("--units", 1, MOST_UNITS), 32)
    .option("--layers <n>", "stacked recurrent layers", whole("--layers", 1, 64), 1)
    .option("--embed <n>", "width of the symbols' embedding", whole("--embed", 1, MOST_UNITS), 16)
    .option("--batch <n>", "sequences side by side", whole("--batch", 1, MOST_BATCH), 16)
    .option("--time <n>", "length of a sequence, by the rules of the task", whole("--time", 1, MOST_TIME), 50)
    .option("--steps <n>", "updates", whole("--steps", 1), 1000)
    .option("--lr <x>", "learning rate", real("--lr", LARGEST_RATE), 0.01);
  addUpdateOptions(task)
    .option("--seed <n>", "one seed gives one run", whole("--seed", 0, LARGEST_SEED), 1)
    .option("--with <name=value>", "a parameter of the task; may be given several times", numbered("--with"), {})
    .option(
      "--start <path=value>",
      "value with which all parameters start whose path ends so, such as input/bias=-3",
      numbered("--start"),
      {},
    )
    .option("--json", "one JSON object")
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
    .argument("<model>", "a model that was trained on text")
    .description("write text with a trained model")
    .option("--prompt <text>", "text to go on from", "")
    .option("--length <n>", "characters to write", whole("--length", 1), 400)
    .option(
      "--temperature <x>",
      "below 1 is more careful, above 1 more daring; 0 takes the likeliest",
      real("--temperature", 1000, { mayBeZero: true }),
      0.8,
    )
    .option("--seed <n>", "one seed gives one text", whole("--seed", 0, LARGEST_SEED), 1)
    .option("--json", "one JSON object instead of the text as it comes")
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
    .argument("<model>", "a model that was trained on a series")
    .argument("<file>", "the series so far (.csv or .tsv), with the columns it was trained on among its own")
    .description("continue a numeric series; prints CSV")
    .option("--horizon <n>", "rows to forecast", whole("--horizon", 1), 10);
  addTableOptions(forecasting)
    .option("--json", "one JSON object instead of CSV")
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
      "show what the compiler makes of a cell: the IR before and after each pass, kernels, dispatches, bytes; or how long each kernel takes",
    )
    .option("--cell <cell>", CELL, "lstm")
    .option("--units <n>", "units of each layer", whole("--units", 1, MOST_UNITS), 128)
    .option("--layers <n>", "stacked recurrent layers", whole("--layers", 1, 64), 1)
    .option("--embed <n>", "width of the embedding", whole("--embed", 1, MOST_UNITS), 64)
    .option("--vocabulary <n>", "number of symbols", whole("--vocabulary", 1, 1_000_000), 64)
    .option("--batch <n>", "sequences side by side", whole("--batch", 1, MOST_BATCH), 16)
    .option("--time <n>", "time steps per update", whole("--time", 1, MOST_TIME), 32)
    .addOption(
      new Option("--schedule <schedule>", "how loops over time run; auto lets a rule of shapes choose")
        .choices(scheduleChoices)
        .default("auto"),
    )
    .option("--tuning <model>", "show the tuning that a model keeps, and compile with it")
    .option("--profile", "run a training step on a device: time, FLOP and bytes of each kernel, instead of its text")
    .addOption(
      device(
        "of --profile: gpu, cpu (WebAssembly), software (SwiftShader), or auto: gpu where there is one, else cpu; without --profile, cpu shows WebAssembly instead of WGSL",
      ),
    )
    .addOption(threads())
    .addOption(timeout())
    .option("--json", "one JSON object")
    .addHelpText(
      "after",
      examples([
        "cellgrad inspect --cell gru --units 64",
        "cellgrad inspect --cell ./my-cell.ts --profile",
        "cellgrad inspect --cell ./my-cell.ts --json",
      ]),
    )
    .action(async (options, command: Command) => {
      const { inspect } = await import("./commands/inspect.ts");
      const deviceGiven = ["threads", "timeout", "device"].find((name) => command.getOptionValueSource(name) === "cli");
      finish(await inspect({ ...options, deviceGiven }, streams));
    });

  program
    .command("check")
    .argument("<module>", "a module that exports a cell (or a built-in cell's name)")
    .description("check a cell's gradient on random sizes and numbers; exits with 1 where it is wrong")
    .option("--cases <n>", "random cases", whole("--cases", 1, 1_000_000), 100)
    .option("--order <n>", "2 checks the derivative of the gradient as well", whole("--order", 1, 2), 1)
    .option("--seed <n>", "of the cases; drawn and printed where it is not given", whole("--seed", 0, LARGEST_SEED))
    .option("--units <n>", "only this many units, for a cell that cannot have any number", whole("--units", 1, 64))
    .option("--features <n>", "only this many features of x", whole("--features", 1, 64))
    .option("--json", "one JSON object")
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
    .description("a demonstration: trains an LSTM on real text, then writes a sample")
    .option("--steps <n>", "updates, instead of the demonstration's own number", whole("--steps", 1))
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
    .argument("[command]", "whose options to show")
    .description("show help of a command")
    .action(async (name: string | undefined) => {
      const found = name === undefined ? program : program.commands.find((command) => command.name() === name);
      if (found !== undefined) found.outputHelp();
      // Says that it is unknown, and which was meant.
      else await program.parseAsync([name ?? ""], { from: "user" });
    });

  return program;
}

function examples(lines: readonly string[]): string {
  const started = lines.map((text) => text.replace(/^cellgrad /, `${invocation(process.argv[1])} `));
  return `\nExamples:\n${started.map((text) => `  ${text}`).join("\n")}`;
}
