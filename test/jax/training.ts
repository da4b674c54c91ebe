/**
 * @file Trains an exported character model with its own train.py: on one device, on eight, and in two processes, one of
 * which is killed; and goes on here with what was trained there, and there with what was trained here.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { lstm } from "../../cells/lstm.ts";
import { at } from "../../compiler/graph/errors.ts";
import { textBatches, vocabularyOf } from "../../entries/data.ts";
import { decodeModel, encodeModel, savedModel } from "../../entries/files.ts";
import { createStream, sampleText } from "../../entries/stream.ts";
import { adam, createTrainer, initialize, openInterpreter } from "../../index.ts";
import { modelToJax } from "../../interchange/jax/model.ts";
import { generator } from "../../testing/numbers/random-data.ts";
import { languageModel } from "../../train/networks.ts";
import { holding } from "./hold.ts";

/** The largest difference of two losses that are to be the same. */
export const allowed = 1e-5;
const steps = 50;
const [batch, time] = [8, 12];
export const timeout = 20;

const words = "the sea shells she sells by shore are surely and if so then of a sand".split(" ");

export function bookText(): string {
  const random = generator(3);
  return Array.from({ length: 1200 }, () => words[Math.floor(random() * words.length)]).join(" ");
}

interface Ended {
  readonly code: number | null;
  readonly losses: readonly number[];
  readonly stderr: string;
}

export class Folder {
  readonly path: string;
  readonly #python: string;

  constructor(python: string, path: string) {
    this.#python = python;
    this.path = path;
  }

  /** Writes files by name, into the folder that this makes. */
  write(files: Readonly<Record<string, Uint8Array | string>>): void {
    mkdirSync(this.path, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(this.file(name), content);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Starts train.py; `ended` resolves when the process has ended. */
  start(args: readonly string[], devices = 1): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
    const child = spawn(this.#python, ["train.py", ...args, "--log-every", "1"], {
      cwd: this.path,
      env: { ...process.env, JAX_PLATFORMS: "cpu", XLA_FLAGS: `--xla_force_host_platform_device_count=${devices}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (part) => {
      stdout += part;
    });
    child.stderr.on("data", (part) => {
      stderr += part;
    });
    const ended = new Promise<Ended>((resolve) => {
      child.on("close", (code) => {
        const losses = [...stdout.matchAll(/step .* loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
        resolve({ code, losses, stderr });
      });
    });
    return { child, ended };
  }

  async run(args: readonly string[], devices = 1): Promise<readonly number[]> {
    const { code, losses, stderr } = await this.start(args, devices).ended;
    if (code !== 0) throw new Error(`train.py ${args.join(" ")} ended with ${code}: ${stderr.slice(-400)}`);
    return losses;
  }

  /** Two processes on the loopback. */
  pair(args: readonly string[], port: number, own: readonly (readonly string[])[] = [["book.txt"], ["book.txt"]]) {
    const together = ["--coordinator", `127.0.0.1:${port}`, "--processes", "2", "--timeout", `${timeout}`];
    return [0, 1].map((i) => this.start([...at(own, i), ...args, ...together, "--process", `${i}`]));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

export function farthest(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length || a.length === 0) return Number.POSITIVE_INFINITY;
  return Math.max(...a.map((loss, i) => Math.abs(loss - at(b, i))));
}

/** Lines about what does not hold; `say` gets one about each thing that does. */
export async function trainingFaults(python: string, path: string, say: (line: string) => void): Promise<string[]> {
  const { hold, faults } = holding(say);
  const equal = (what: string, a: readonly number[], b: readonly number[]) => {
    const error = farthest(a, b);
    hold(what, error <= allowed, `the losses differ by ${error}`);
  };
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  const folder = new Folder(python, path);
  const text = bookText();
  const vocabulary = vocabularyOf(text);
  const network = languageModel({
    cell: lstm,
    units: 8,
    layers: 2,
    vocabulary: vocabulary.characters.length,
    embed: 6,
  });
  const details = { vocabulary: vocabulary.characters };
  const update = { optimizer: adam(), clipNorm: 1 };
  const model = savedModel(network, initialize(network.specs, 1), details);
  for (const [name, bytes] of Object.entries(
    modelToJax(model, {
      cell: lstm,
      update,
      updateRecord: { optimizer: "adam", lrSchedule: "constant", warmup: 0, clip: 1 },
    }),
  ))
    writeFileSync(folder.file(name), bytes);
  writeFileSync(folder.file("book.txt"), text);
  const sizes = ["--batch", `${batch}`, "--time", `${time}`, "--lr", "0.01"];
  const one = await folder.run(["book.txt", ...sizes, "--steps", `${steps}`, "--out", "one.safetensors"]);

  // -- the same here
  const device = openInterpreter();
  const options = { ...update, learningRate: 0.01, seed: 1 };
  const batches = [...textBatches(vocabulary.encode(text), { batch, time }).training];
  const trainer = await createTrainer(device, network, { ...options, parameters: model.parameters });
  const here: number[] = [];
  for (let k = 0; k < 8; k++) here.push((await trainer.step(at(batches, k % batches.length))).loss);
  equal("the first losses are the interpreter's", one.slice(0, 8), here);

  // -- more devices, more processes
  const long = ["book.txt", ...sizes, "--steps", `${steps}`, "--out", "other.safetensors"];
  equal("eight devices train to the losses of one", await folder.run(long, 8), one);
  equal("so do four by two, with each weight on two", await folder.run([...long, "--model-devices", "2"], 8), one);
  const args = [...sizes, "--steps", `${steps}`, "--save-every", "10", "--out", "pair.safetensors"];
  const pair = folder.pair(args, await freePort());
  while (!existsSync(folder.file("pair.safetensors")) && pair.every(({ child }) => child.exitCode === null))
    await new Promise((resolve) => setTimeout(resolve, 20));
  pair[1]?.child.kill("SIGKILL");
  const killed = performance.now();
  const [peer] = await Promise.all(pair.map(({ ended }) => ended));
  const waited = (performance.now() - killed) / 1000;
  const isLine = /^train\.py: another process has ended .*; start all of them again .*\n$/.test(peer?.stderr ?? "");
  hold(
    "the peer of a killed process prints one line, and ends within the timeout",
    isLine && peer?.code === 1 && waited < timeout,
    `after ${waited} s: ${peer?.stderr}`,
  );
  const { run: left } = decodeModel(readFileSync(folder.file("pair.safetensors")), "pair.safetensors");
  const again = folder.pair(["--resume", "pair.safetensors", "--out", "pair.safetensors"], await freePort());
  const [first] = await Promise.all(again.map(({ ended }) => ended));
  equal(
    "two processes, one killed and both started again, train to the losses of one",
    first?.losses ?? [],
    one.slice(left?.steps),
  );

  // -- there, here, there
  await folder.run(["book.txt", ...sizes, "--steps", "10", "--out", "there.safetensors"]);
  const there = decodeModel(readFileSync(folder.file("there.safetensors")), "there.safetensors");
  const continued = await createTrainer(device, network, options);
  continued.restore(there.checkpoint ?? {});
  const between: number[] = [];
  for (let k = 10; k < 15; k++) between.push((await continued.step(at(batches, k % batches.length))).loss);
  equal("what was trained there goes on here", between, one.slice(10, 15));
  const run = there.run && { ...there.run, steps: 15, planned: 20 };
  const back = savedModel(network, await continued.parameters(), {
    ...details,
    checkpoint: await continued.checkpoint(),
    ...(run && { run }),
  });
  writeFileSync(folder.file("here.safetensors"), encodeModel(back));
  equal(
    "and what was trained here goes on there",
    await folder.run(["book.txt", "--resume", "here.safetensors", "--out", "end.safetensors"]),
    one.slice(15, 20),
  );
  const stream = await createStream(device, there, there.parameters);
  let written = "";
  for await (const character of sampleText({ stream, vocabulary, prompt: "the ", length: 20, seed: 1 }))
    written += character;
  hold("it writes text", written.length === 20, written);
  device.destroy();
  return faults;
}
