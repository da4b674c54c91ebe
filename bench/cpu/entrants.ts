/** @file The entrants: processes of each contender in all its settings, of which the best counts. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Case } from "./cases.ts";
import type { Command } from "./child.ts";
import type { Group } from "./options.ts";
import type { ScriptName } from "./protocol.ts";

export interface Entrant {
  readonly group: Group;
  /** Name of the row; entrants with the same name are one contender in several settings. */
  readonly name: string;
  readonly setting: string;
  /** How it is started, or why it cannot be. */
  readonly command: Command | string;
}

interface Library {
  readonly version: string;
}

/** What `peers.py probe` found in a Python interpreter. */
export interface Python {
  readonly file: string;
  readonly python: string;
  readonly torch?: Library & { readonly blas: string; readonly isReference: boolean };
  readonly noTorch?: string;
  readonly jax?: Library;
  readonly noJax?: string;
  /** Variables with which its BLAS takes the kernels for this CPU. */
  readonly env: Env;
}

type Env = Readonly<Record<string, string | undefined>>;

/** With these variables set, OpenBLAS would use kernels for an old CPU. */
const unpinned: Env = { OPENBLAS_CORETYPE: undefined, OPENBLAS_L2_SIZE: undefined };

/**
 * OpenBLAS takes kernels of 2004 for a CPU that is newer than itself. The best of its other kernels that this CPU can run;
 * undefined if there are none.
 */
function coreType(): string | undefined {
  if (process.platform !== "linux") return undefined;
  const flags = readFileSync("/proc/cpuinfo", "utf8");
  return /\bavx512vl\b/.test(flags) ? "SkylakeX" : /\bavx2\b/.test(flags) ? "Haswell" : undefined;
}

const threadsEnv = (threads: number) =>
  Object.fromEntries(["OMP", "OPENBLAS", "MKL"].map((name) => [`${name}_NUM_THREADS`, String(threads)]));

export interface Places {
  /** Folder of the bundled scripts. */
  readonly dist: string;
  /** Path of peers.py. */
  readonly peers: string;
}

/** Existing Python interpreters and their libraries. An interpreter listed under two names counts once. */
export async function findPythons(files: readonly string[], { peers }: Places): Promise<Python[]> {
  const found: Python[] = [];
  for (const file of files) {
    const first = await probe(file, peers, unpinned);
    const better = first?.torch?.blas.includes("kernels Prescott") ? coreType() : undefined;
    const newer =
      better === undefined ? undefined : await probe(file, peers, { ...unpinned, OPENBLAS_CORETYPE: better });
    const python = newer ?? first;
    if (python !== undefined && !found.some((one) => isSame(one, python))) found.push(python);
  }
  return found;
}

const isSame = ({ file: _, ...a }: Python, { file: __, ...b }: Python) => JSON.stringify(a) === JSON.stringify(b);

async function probe(file: string, peers: string, variables: Env): Promise<Python | undefined> {
  const env = Object.fromEntries(Object.entries({ ...process.env, ...variables }).filter(([, value]) => value));
  try {
    const { stdout } = await promisify(execFile)(file, [peers, "probe"], { env, timeout: 120_000 });
    return { file, env: variables, ...(JSON.parse(stdout) as Omit<Python, "file" | "env">) };
  } catch {
    return undefined;
  }
}

const scripts: readonly (readonly [Group, ScriptName, name: string])[] = [
  ["cellgrad-cpu", "cellgrad-cpu-1", "cellgrad cpu, 1 thread"],
  ["cellgrad-cpu", "cellgrad-cpu-2", "cellgrad cpu, 2 threads"],
  ["cellgrad-software", "cellgrad-software", "cellgrad software (SwiftShader)"],
  ["jax-js", "jax-js", "jax-js wasm"],
  ["tfjs", "tfjs-wasm", "TensorFlow.js wasm"],
  ["tfjs", "tfjs-cpu", "TensorFlow.js cpu"],
];

/** All possible entrants of a case, whose files for Python are in `folder`. */
export function entrantsOf(one: Case, folder: string, pythons: readonly Python[], places: Places): Entrant[] {
  const script = join(places.dist, "contender.mjs");
  const inNode = scripts.map(([group, id, name]): Entrant => {
    return { group, name, setting: "", command: { file: process.execPath, args: [script, id, one.name] } };
  });
  return [...inNode, ...torchEntrants(one, folder, pythons, places), ...jaxEntrants(one, folder, pythons, places)];
}

const titles: Readonly<Record<string, string>> = { loop: "loop", module: "nn.LSTM", doubling: "log2(T) rounds" };

function torchEntrants({ cell }: Case, folder: string, pythons: readonly Python[], { peers }: Places): Entrant[] {
  const able = pythons.filter(({ torch }) => torch !== undefined);
  const group = "pytorch";
  if (able.length === 0) {
    const reason = pythons[0]?.noTorch ?? "there is no Python";
    return [{ group, name: "PyTorch", setting: "", command: `${reason}; name one that has it with --python` }];
  }
  const models = ["loop", ...(cell === "lstm" ? ["module"] : []), ...(cell === "min-gru" ? ["doubling"] : [])];
  const settings = [1, 2].flatMap((threads) => [false, true].map((flush) => ({ threads, flush })));
  return able.flatMap(({ file, torch, env }) =>
    models.flatMap((model) =>
      settings.map(({ threads, flush }): Entrant => {
        const name = `PyTorch ${torch?.version} ${titles[model]}`;
        const setting = `${threads} ${threads === 1 ? "thread" : "threads"}${flush ? ", denormals flushed" : ""}`;
        if (torch?.isReference === true) {
          const command = `its products run on ${torch.blas}, which is not representative; install libopenblas0-pthread`;
          return { group, name, setting, command };
        }
        const args = [peers, "torch", model, folder, ...(flush ? ["--flush"] : [])];
        return { group, name, setting, command: { file, args, env: { ...env, ...threadsEnv(threads) } } };
      }),
    ),
  );
}

function jaxEntrants({ cell }: Case, folder: string, pythons: readonly Python[], { peers }: Places): Entrant[] {
  const able = pythons.find(({ jax }) => jax !== undefined);
  const group = "jax";
  if (able === undefined) {
    const reason = pythons[0]?.noJax ?? "there is no Python";
    return [{ group, name: "JAX", setting: "", command: `${reason}; name one that has it with --python` }];
  }
  return ["loop", ...(cell === "min-gru" ? ["doubling"] : [])].map((model): Entrant => {
    const name = `JAX ${able.jax?.version} ${model === "loop" ? "scan" : "associative_scan"}`;
    return {
      group,
      name,
      setting: "",
      command: { file: able.file, args: [peers, "jax", model, folder], env: unpinned },
    };
  });
}
