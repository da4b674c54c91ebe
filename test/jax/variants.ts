/**
 * @file What else train.py can do, against our own training of the same model with the same options: held-out losses,
 * patience and schedules, accumulated gradients, dropout, tables and tokenizers, in one process each.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lstm } from "../../cells/lstm.ts";
import { at } from "../../compiler/graph/errors.ts";
import { parseSeries, textBatches, vocabularyOf } from "../../entries/data.ts";
import { decodeModel, savedModel } from "../../entries/files.ts";
import { adam, createTrainer, initialize, openInterpreter } from "../../index.ts";
import { modelToJax } from "../../interchange/jax/model.ts";
import { trainScript } from "../../interchange/jax/train-script.ts";
import type { SavedModel } from "../../train/files/model-file.ts";
import { languageModel } from "../../train/networks.ts";
import { run } from "../cli/run.ts";
import { tokenizerJson } from "../support/tokenizers.ts";
import { type Hold, holding } from "./hold.ts";
import { allowed, bookText, Folder, farthest } from "./training.ts";

type Say = (line: string) => void;

/** Lines about what does not hold; `say` gets one about each thing that does. */
export async function variantFaults(python: string, path: string, say: Say): Promise<string[]> {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const { hold, faults } = holding(say);
  const near = (what: string, a: readonly number[], b: readonly number[]) => {
    const error = farthest(a, b);
    hold(what, error <= allowed, `they differ by ${error}: ${a.slice(0, 4)} and ${b.slice(0, 4)}`);
  };
  await resumed(python, path, near, hold);
  await randomMasks(python, path, near, hold);
  pieces(python, path, near);
  return faults;
}

type Near = (what: string, a: readonly number[], b: readonly number[]) => void;

function seriesText(): string {
  const rows = Array.from({ length: 260 }, (_, t) => `${t};${Math.sin(t / 5) * 3};${Math.cos(t / 7) + 2}`);
  return `day;high;low\n${rows.join("\n").replaceAll(".", ",")}\n`;
}

/** Runs of the command line that go on there, and here: the files that they write are the same. */
async function resumed(python: string, path: string, near: Near, hold: Hold): Promise<void> {
  const [book, table, tokenizer] = [join(path, "book.txt"), join(path, "series.csv"), join(path, "tokenizer.json")];
  writeFileSync(book, bookText().slice(0, 3000));
  writeFileSync(table, seriesText());
  writeFileSync(tokenizer, tokenizerJson(merges));
  const sizes = ["--units", "4", "--layers", "1", "--batch", "4", "--time", "8", "--device", "interpreter"];
  const ofText = ["--tokens", tokenizer, "--embed", "4"];
  const runs: readonly (readonly [name: string, data: string, options: readonly string[]])[] = [
    ["a table with a plateau", table, ["--lr-schedule", "plateau", "--eval-every", "2", "--lr", "0.3"]],
    ["accumulated gradients", table, ["--accumulate", "3", "--columns", "high", "--weight-decay", "0.1"]],
    [
      "a tokenizer with patience",
      book,
      [...ofText, "--eval-every", "1", "--patience", "2", "--optimizer", "sgd", "--lr", "6"],
    ],
  ];
  for (const [i, [name, data, options]] of runs.entries()) {
    const file = (what: string) => join(path, `${what}${i}.safetensors`);
    const folder = new Folder(python, join(path, `folder${i}`));
    const further = ["--resume", file("start"), "--steps", "10"];
    await command("train", data, ...sizes, ...options, "--steps", "4", "--out", file("start"));
    await command("export", file("start"), "--to", "jax", "--out", folder.path);
    const away = folder.run([data, ...further, "--out", file("there")]);
    await command("train", data, ...further, "--device", "interpreter", "--out", file("here"));
    await away;
    const [here, there] = [modelOf(file("here")), modelOf(file("there"))];
    const numbers = ({ parameters, run: record, training }: SavedModel) => [
      ...Object.values(parameters).flatMap(({ data: weights }) => [...weights]),
      ...(record?.losses ?? []),
      Number(training?.valLoss),
    ];
    near(`${name} goes on there as here`, numbers(there), numbers(here));
    const ends = ({ run: record, training }: SavedModel) => `${record?.steps} of which ${training?.steps} is kept`;
    hold(`${name} ends at the same step: ${ends(here)}`, ends(here) === ends(there), ends(there));
    await command("train", data, "--resume", file("there"), "--steps", "1", "--device", "interpreter");
    if (data !== table) continue;
    const forecast = await command("forecast", file("there"), data, "--horizon", "3", "--device", "interpreter");
    hold(`${name}: the trained model forecasts`, forecast.trim().split("\n").length === 4, forecast);
  }
}

const merges: readonly (readonly [string, string])[] = [
  ["h", "e"],
  ["s", "h"],
  ["l", "l"],
  ["s", "e"],
];

const modelOf = (file: string) => decodeModel(readFileSync(file), file);

async function command(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code === 0) return stdout;
  throw new Error(`cellgrad ${args.join(" ")} ended with ${code}: ${stderr}`);
}

/** Dropout of every kind, with the masks of our own training; accumulated besides, from the first batch on. */
async function randomMasks(python: string, path: string, near: Near, hold: Hold): Promise<void> {
  const folder = new Folder(python, join(path, "masks"));
  const vocabulary = vocabularyOf(bookText());
  const around = { dropout: 0.2, recurrentDropout: 0.1, zoneout: 0.1 };
  const sizes = { units: 4, layers: 2, vocabulary: vocabulary.characters.length, embed: 4 };
  const network = languageModel({ ...sizes, ...around, cell: lstm });
  const model = savedModel(network, initialize(network.specs, 1), { vocabulary: vocabulary.characters });
  const update = { optimizer: adam(), clipNorm: 1, accumulate: 2 };
  folder.write(modelToJax(model, { ...around, cell: lstm, update }));
  const [batch, time] = [4, 8];
  const text = bookText().slice(0, 3000);
  writeFileSync(folder.file("book.txt"), text);
  const device = openInterpreter();
  const options = { ...update, learningRate: 0.05, seed: 7, parameters: model.parameters };
  const trainer = await createTrainer(device, network, options);
  const batches = [...textBatches(vocabulary.encode(text), { batch, time }).training];
  const here: number[] = [];
  for (let k = 0; k < 9; k++) here.push((await trainer.step(at(batches, k))).loss);
  trainer.destroy();
  device.destroy();
  const args = ["--batch", `${batch}`, "--time", `${time}`, "--lr", "0.05", "--seed", "7", "--steps", "9"];
  // With less memory for the forward pass, on two devices; and in bfloat16, which has three digits.
  const [there, again, low] = await Promise.all([
    folder.run(["book.txt", ...args]),
    folder.run(["book.txt", ...args, "--remat", "--out", "again.safetensors"], 2),
    folder.run(["book.txt", ...args, "--dtype", "bf16", "--out", "low.safetensors"]),
  ]);
  near("dropped and kept as here, with two batches per update", there, here);
  near("and on two devices with --remat", again, here);
  const error = farthest(low, here);
  hold("and with --dtype bf16, to two digits", error > 1e-6 && error < 0.03, `the losses differ by ${error}`);
}

/** A text and a table are read in pieces, wherever they end. */
function pieces(python: string, path: string, near: Near): void {
  const text = "Ein schöner Tag – 東京 😀 he shells\n\nshe sells\r\n sea\nshells ".repeat(3);
  const rows = ["1.000,5;2", ";-3,25", '4;"5"', "7;8"].flatMap((row, i) => [row, `${i},5;1`]);
  const table = `\ufeffhigh;low\r\n${rows.join("\r")}`;
  const symbols = vocabularyOf(text);
  const metadata = {
    ...{ vocabulary: JSON.stringify(symbols.characters), tokenizer: tokenizerJson(merges) },
    columns: JSON.stringify(["low", "high"]),
  };
  for (const reads of ["characters", "tokens", "bytes", "table"] as const) {
    const folder = new Folder(python, join(path, `pieces-${reads}`));
    const script = trainScript({ reads, isRandom: false, unit: "" });
    folder.write({ "train.py": script, "model.py": "", data: reads === "table" ? table : text });
    const program = [
      "import json, sys, pathlib, train",
      "found = []",
      'options = {"missing": "last"} if sys.argv[2] == "table" else {}',
      "for size in (1, 7, 64, 1000):",
      "    train.PIECE_BYTES, train.PIECE_ROWS, train.PIECES_KEPT = size, size, 2",
      '    recording = train.Recording(pathlib.Path("data"), json.loads(sys.argv[1]), **options)',
      "    n = recording.length",
      "    parts = [recording.read(i, min(5, n - i)) for i in range(0, n, 5)]",
      "    found.append([float(t) for part in parts for t in part.ravel()])",
      "print(json.dumps(found))",
    ];
    const args = ["-c", program.join("\n"), JSON.stringify(metadata), reads];
    const { stdout, stderr } = spawnSync(python, args, { cwd: folder.path, encoding: "utf8" });
    if (stdout === "") throw new Error(stderr);
    const [first = [], ...others] = JSON.parse(stdout) as number[][];
    near(`${reads} of any pieces are the same`, others.flat(), [...first, ...first, ...first]);
    if (reads === "characters") near("and those of our vocabulary", first, [...symbols.encode(text)]);
    if (reads === "bytes") near("and those of the file", first, [...Buffer.from(text)]);
    if (reads !== "table") continue;
    const fields = ["high;low", ...rows].map((row) => row.replaceAll('"', "").split(";"));
    const { values } = parseSeries(fields, "data", { columns: ["low", "high"], missing: "last" });
    near("and those of our table", first, [...values]);
  }
}
