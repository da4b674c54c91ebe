/** @file Gives train.py data files that are missing, short or damaged: to one of two processes, and during a run. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lstm } from "../../cells/lstm.ts";
import { vocabularyOf } from "../../entries/data.ts";
import { savedModel } from "../../entries/files.ts";
import { initialize } from "../../index.ts";
import { modelToJax } from "../../interchange/jax/model.ts";
import { trainScript } from "../../interchange/jax/train-script.ts";
import { languageModel } from "../../train/networks.ts";
import { type Hold, holding } from "./hold.ts";
import { bookText, Folder, freePort, timeout } from "./training.ts";

/** Lines about what does not hold; `say` gets one about each thing that does. */
export async function hostFaults(python: string, path: string, say: (line: string) => void): Promise<string[]> {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const { hold, faults } = holding(say);
  damagedData(python, path, hold);
  await faultyHosts(new Folder(python, join(path, "hosts")), hold);
  return faults;
}

/** One of two processes gets the file: it prints a line, and both end. */
async function faultyHosts(folder: Folder, hold: Hold): Promise<void> {
  const vocabulary = vocabularyOf(bookText());
  const network = languageModel({
    cell: lstm,
    units: 4,
    layers: 1,
    vocabulary: vocabulary.characters.length,
    embed: 4,
  });
  const model = (seed: number) =>
    savedModel(network, initialize(network.specs, seed), { vocabulary: vocabulary.characters });
  folder.write(modelToJax(model(1), { cell: lstm }));
  const other = modelToJax(model(2), { cell: lstm })["weights.safetensors"] ?? "";
  const text = Buffer.from(bookText());
  const [size, middle] = [text.length, text.length >> 1];
  const changed = Buffer.from(text);
  changed.set([text[middle] === 97 ? 101 : 97], middle);
  const binary = Buffer.from(text);
  binary.set([255], middle);
  folder.write({ "book.txt": text, "short.txt": text.subarray(0, middle), "changed.txt": changed });
  folder.write({ "binary.txt": binary, "other.safetensors": other });
  const number = (n: number) => n.toLocaleString("en");
  const another = "of process 1 is not the file that process 0 has";
  const cut = `${another}: ${number(middle)} bytes, not ${number(size)} bytes`;
  const ended = "process 1 has ended: see its line";
  const weights = ["--resume", folder.file("other.safetensors")];
  type Case = readonly [what: string, file: string, own: string, peer: string, options?: readonly string[]];
  const cases: readonly Case[] = [
    ["whose file is missing", "none.txt", "none.txt cannot be read: No such file or directory", ended],
    ["whose file is short", "short.txt", `short.txt ${cut}`, `book.txt ${cut}`],
    ["whose file has another byte", "changed.txt", `changed.txt ${another}`, `book.txt ${another}`],
    ["whose file is no text", "binary.txt", `binary.txt is damaged: byte ${middle} is not UTF-8`, ended],
    [
      "with other weights",
      "book.txt",
      `${weights[1]} ${another}`,
      `${folder.file("weights.safetensors")} ${another}`,
      weights,
    ],
  ];
  for (const [what, file, own, peer, options = []] of cases) {
    const sizes = ["--batch", "8", "--time", "12", "--steps", "5"];
    const pair = folder.pair(sizes, await freePort(), [["book.txt"], [file, ...options]]);
    // From the first end to the last: how long both take to start is the machine's.
    const ends = pair.map(({ ended: end }) => end.then((result) => ({ result, at: performance.now() })));
    const all = await Promise.all(ends);
    const results = all.map(({ result }) => result);
    const seconds = Math.abs((all[0]?.at ?? 0) - (all[1]?.at ?? 0)) / 1000;
    const found = results.map(({ code, stderr }) => `${code} ${stderr.trim()}`);
    const isRight = found[1] === `1 train.py: ${own}` && found[0] === `1 train.py: ${peer}`;
    const details = `${seconds} s: ${found.join(" | ")}`;
    hold(`of two hosts, one ${what}: each prints one line, and both end`, isRight && seconds < timeout, details);
  }
}

/** A file, what its Recording says, and where it is damaged while it is read. */
interface Damage {
  readonly file: string;
  readonly content: string;
  /** Python that changes the file after it was checked. */
  readonly change?: string;
  readonly line: string;
}

const rows = Array.from({ length: 40 }, (_, t) => `${t};${t / 4};"${t % 7}"`);
const table = `day;high;low\n${rows.join("\n")}\n`;
const words = "she sells sea shells ".repeat(20);
const halved = 'os.truncate("FILE", os.path.getsize("FILE") // 2)';
const replaced = 'pathlib.Path("FILE").write_bytes(b"s" * os.path.getsize("FILE"))';

const damages: Readonly<Record<"characters" | "bytes" | "table", readonly Damage[]>> = {
  characters: [
    { file: "a.txt", content: `${words}ž`, line: "a.txt has the character 'ž', which the model does not know" },
    { file: "b.txt", content: words, change: halved, line: "b.txt has changed during the run" },
    { file: "c.txt", content: "é".repeat(99), change: replaced, line: "c.txt has changed during the run" },
  ],
  bytes: [{ file: "d.bin", content: words, change: halved, line: "d.bin has changed during the run" }],
  table: [
    {
      file: "e.csv",
      content: `${table.slice(0, table.indexOf("21;"))}21;5`,
      line: "e.csv, line 23: 2 fields are too few",
    },
    {
      file: "f.csv",
      content: table.replace("\n7;", '\n\n"seven";').replace('8;2;"1"', "8;2;x"),
      line: "f.csv, line 11, low: 'x' is not a number",
    },
    {
      file: "h.csv",
      content: table,
      change: `recording.kept = {}; ${halved}`,
      line: "h.csv has changed during the run",
    },
    { file: "g.csv", content: `day;high\n1;2\n`, line: "g.csv has no header with the columns high, low" },
  ],
};

/** Each gives one line, and does not wait for bytes that are not there. */
function damagedData(python: string, path: string, hold: Hold): void {
  for (const reads of ["characters", "bytes", "table"] as const) {
    const folder = new Folder(python, join(path, `damaged-${reads}`));
    folder.write({ "train.py": trainScript({ reads, isRandom: false, unit: "" }), "model.py": "" });
    const metadata = {
      vocabulary: JSON.stringify([...new Set(`${words}é`)]),
      columns: JSON.stringify(["high", "low"]),
    };
    const cases = damages[reads];
    for (const { file, content } of cases) folder.write({ [file]: content });
    const program = [
      "import json, os, sys, pathlib, train",
      "train.PIECE_BYTES, train.PIECE_ROWS = 64, 8",
      "metadata, cases = json.loads(sys.argv[1])",
      "for case in cases:",
      "    try:",
      '        recording = train.Recording(pathlib.Path(case["file"]), metadata)',
      '        exec(case.get("change", "").replace("FILE", case["file"]))',
      "        recording.read(0, recording.length)",
      "        print()",
      "    except train.Fault as fault:",
      "        print(fault)",
    ];
    const args = ["-c", program.join("\n"), JSON.stringify([metadata, cases])];
    const { stdout, stderr } = spawnSync(python, args, { cwd: folder.path, encoding: "utf8", timeout: 60_000 });
    const found = stdout.trim().split("\n");
    const wrong = cases.map(({ line }, i) => (found[i] === line ? "" : `${found[i]} for ${line}`)).filter(Boolean);
    hold(
      `${reads === "table" ? "a table" : reads} with damage: one line for each`,
      wrong.length === 0,
      `${wrong.join("; ")} ${stderr.slice(-300)}`,
    );
  }
}
