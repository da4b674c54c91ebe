/**
 * @file Generates the text of a loader: an ES module without imports that runs on any host and contains only what its kind
 * of model needs. It samples the same characters as `sampleText`, from the same random numbers; its defaults are those of
 * `cellgrad sample`.
 */
import { fnv1a } from "../../compiler/ops/hash.ts";
import { parity, rotations } from "../../compiler/ops/threefry.ts";
import { nameOfUse, sectionName, type Use } from "./facts.ts";

/** The random key of sampling, as in `sampleText`. */
const sampleKey = fnv1a("sample");

/** A feature of a model besides its steps. */
interface Part {
  /** Statements of `load`. */
  readonly inside: string;
  readonly members: readonly string[];
  /** Functions of the module. */
  readonly beside?: string;
}

/** The text of the loader for the module `file` next to it. `about` is a comment at its top. */
export function loaderText(use: Use, file: string, about: string): string {
  return spacedText(use, file, about).replace(/^( {2})+/gm, (spaces) => "\t".repeat(spaces.length / 2));
}

function spacedText(use: Use, file: string, about: string): string {
  const parts = partsOf(use);
  const { numbers, fits, expected } = use.reads === "rows" ? ofNumbers : ofTokens;
  return `// ${about} Written by cellgrad compile.

export async function load(source = new URL(${JSON.stringify(`./${encodeURIComponent(file)}`)}, import.meta.url)) {
  const module = await WebAssembly.compile(await bytesOf(source));
  const [section] = WebAssembly.Module.customSections(module, "${sectionName}");
  const facts = section && JSON.parse(new TextDecoder().decode(section));
  if (facts?.use !== "${nameOfUse(use)}") throw new Error("load: the model is of another kind");
  const { memory, run } = (await WebAssembly.instantiate(module)).exports;
  const [x, output, state] = [facts.x, facts.output, facts.state].map(
    ({ address, length }, i) => new (i ? Float32Array : ${numbers})(memory.buffer, address, length),
  );
  const zeros = () => new Float32Array(state.length);
  const step = (input, own = state) => {
    const given = typeof input === "number" ? [input] : input;
    if (given?.length !== x.length || !given.every?.((n) => ${fits}))
      throw new RangeError(\`step: expected \${x.length} ${expected}, got \${String(given).slice(0, 60)}\`);
    if (!(own instanceof Float32Array && own.length === state.length))
      throw new RangeError("step: expected a state of zeros()");
    const others = state.slice();
    state.set(own);
    x.set(given);
    run();
    own.set(state);
    if (own !== state) state.set(others);
    return output.slice();
  };
  const apart = (own = zeros()) => (given) => step(given, own);
${parts.map(({ inside }) => inside).join("")}  return {
    ...facts.about,
    step,
    zeros,
    run: (inputs) => Array.from(inputs, apart()),
    reset: () => void state.fill(0),
${parts.flatMap(({ members }) => members.map((name) => `    ${name},\n`)).join("")}  };
}

async function bytesOf(source) {
  if (source.byteLength >= 0) return source;
  if (globalThis.process?.versions?.node && !/^(https?|data|blob):/.test(source)) {
    const files = "node:fs/promises";
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ files)).readFile(source);
  }
  const response = await fetch(source);
  if (!response.ok) throw new Error(\`load: \${source}: HTTP status \${response.status}\`);
  return response.arrayBuffer();
}
${parts.map(({ beside = "" }) => beside).join("")}`;
}

const ofTokens = {
  numbers: "Int32Array",
  fits: "Number.isInteger(n) && n >= 0 && n < facts.symbols",
  expected: `tokens from 0 to \${facts.symbols - 1}`,
};
const ofNumbers = { numbers: "Float32Array", fits: "Number.isFinite(n)", expected: "finite numbers" };

function partsOf({ task, reads }: Use): readonly Part[] {
  const reading = { characters: [characters], bytes: [bytes], tokens: [], rows: [rows] }[reads];
  const doing = { write: [sampling], forecast: [forecasting], find: [finding(reads)], step: [] }[task];
  return [...reading, ...doing];
}

const characters: Part = {
  inside: `  const { vocabulary } = facts.about;
  const encode = (text) =>
    Array.from(text, (symbol) => {
      const token = vocabulary.indexOf(symbol);
      if (token >= 0) return token;
      throw new RangeError(\`\${JSON.stringify(symbol)} is not in the model's vocabulary\`);
    });
  const speaker = () => (token) => vocabulary[token];
  const decode = (tokens) => Array.from(tokens, speaker()).join("");
  const first = Math.max(0, vocabulary.indexOf("\\n"));
`,
  members: ["encode", "decode"],
};

const bytes: Part = {
  inside: `  const decoder = () => new TextDecoder("utf-8", { ignoreBOM: true });
  const encode = (text) => [...new TextEncoder().encode(text)];
  const decode = (tokens) => decoder().decode(Uint8Array.from(tokens));
  /** A character is written when its last byte is there. */
  const speaker = (own = decoder()) => (token) => own.decode(Uint8Array.of(token), { stream: true });
  const first = 10;
`,
  members: ["encode", "decode"],
};

const sampling: Part = {
  inside: `  const sample = function* ({ prompt = "", length, temperature: heat = 0.8, seed = 1 } = {}) {
    if (!(Number.isInteger(length) && length >= 0 && Number.isFinite(heat) && heat >= 0 && seed >>> 0 === seed))
      throw new RangeError("sample: expected an integer length, a temperature and an integer seed");
    const [next, speak, random, given] = [apart(), speaker(), uniform(seed), encode(prompt)];
    let logits;
    for (const token of given.length ? given : [first]) logits = next(token);
    for (let i = 0; i < length; i++) {
      const token = draw(logits, heat, random);
      yield speak(token);
      if (i + 1 < length) logits = next(token);
    }
  };
`,
  members: ["sample"],
  beside: `
function draw(logits, heat, random) {
  if (!logits.every(Number.isFinite)) throw new Error("sample: the model's outputs are not finite");
  const top = Math.max(...logits);
  const best = logits.indexOf(top);
  if (heat === 0) return best;
  const weights = Array.from(logits, (logit) => Math.exp((logit - top) / heat));
  let left = random.next().value * weights.reduce((a, b) => a + b);
  const token = weights.findIndex((weight) => (left -= weight) < 0);
  return token < 0 ? best : token;
}

/** Threefry-2x32 of Salmon et al. 2011. */
function* uniform(seed) {
  const keys = [seed, ${sampleKey | 0}, seed ^ ${sampleKey ^ parity}];
  for (let count = 0; ; count++) {
    let [a, b] = [count + seed, keys[1]];
    for (let round = 0; round < 20; ) {
      const bits = [${rotations.join(", ")}][round % 8];
      a = (a + b) | 0;
      b = ((b << bits) | (b >>> -bits)) ^ a;
      if (++round % 4) continue;
      a += keys[(round / 4) % 3];
      b += keys[(round / 4 + 1) % 3] + round / 4;
    }
    yield ((a >>> 5) * 2 ** 26 + (b >>> 6)) / 2 ** 53;
  }
}
`,
};

const rows: Part = {
  inside: `  const { normalisation } = facts.about;
  const changed = (row, change) =>
    Array.from(row, (n, i) => (normalisation ? change(n, normalisation.mean[i], normalisation.deviation[i]) : n));
  const read = (row) => changed(row, (n, mean, deviation) => (n - mean) / deviation);
`,
  members: [],
};

const forecasting: Part = {
  inside: `  const forecast = (past, horizon) => {
    if (!(Number.isInteger(horizon) && horizon >= 1))
      throw new RangeError("forecast: expected an integer horizon above 0");
    const [next, after] = [apart(), []];
    let made;
    for (const row of past) made = next(read(row));
    if (!made) throw new RangeError("forecast: expected at least one row");
    for (;;) {
      after.push(changed(made, (n, mean, deviation) => n * deviation + mean));
      if (after.length >= horizon) return after;
      made = next(made);
    }
  };
`,
  members: ["forecast"],
};

/** The steps of a sequence. */
const stepsOf: Readonly<Record<Use["reads"], string>> = {
  characters: "encode(sequence)",
  bytes: "encode(sequence)",
  tokens: "sequence",
  rows: "Array.from(sequence, read)",
};

const finding = (reads: Use["reads"]): Part => ({
  inside: `  const { targets } = facts.about;
  const after = (sequence) => {
    const next = apart();
    let made;
    for (const item of ${stepsOf[reads]}) made = next(item);
    if (made) return made;
    throw new RangeError("predict: the sequence is empty");
  };
  const predict = (sequence) => Object.fromEntries(Array.from(after(sequence), (n, i) => [targets[i], n]));
  const classify = (sequence) => {
    const made = after(sequence);
    return targets[made.indexOf(Math.max(...made))];
  };
`,
  members: ["predict", "classify"],
});
