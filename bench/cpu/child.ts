/** @file A contender's process, as the benchmark sees it: it answers each request within a time limit, or is killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Answer, Facts, Fault, Request, Steps } from "./protocol.ts";

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Added to the environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A contender cannot take part or continue; the message says why. */
export class ChildError extends Error {}

export interface Child {
  readonly facts: Facts;
  readonly steps: (count: number, seconds: number) => Promise<Steps>;
  /** Kills the process; pending answers are lost. */
  readonly end: () => Promise<void>;
}

/** Starts a process and waits for its first message, at most `seconds`. */
export async function openChild({ file, args, env = {} }: Command, seconds: number): Promise<Child> {
  const environment = Object.fromEntries(
    Object.entries({ ...process.env, ...env }).filter(([, value]) => value !== undefined),
  );
  const child = spawn(file, [...args], { env: environment, stdio: ["pipe", "pipe", "pipe"] });
  const answers = answersOf(child);
  const end = () => ended(child);
  const within = async (limit: number, what: string): Promise<Answer> => {
    const timer = new AbortController();
    const late = new Promise<never>((_, reject) => {
      const id = setTimeout(() => reject(new ChildError(`no ${what} within ${limit} s`)), limit * 1000);
      timer.signal.addEventListener("abort", () => clearTimeout(id));
    });
    try {
      const answer = await Promise.race([answers.next(), late]);
      if (isFault(answer)) throw new ChildError(answer.fault);
      return answer;
    } catch (error) {
      await end();
      throw error;
    } finally {
      timer.abort();
    }
  };
  const facts = (await within(seconds, "library ready")) as Facts;
  return {
    facts,
    steps: async (count, limit) => {
      const request: Request = { kind: "steps", count };
      child.stdin?.write(`${JSON.stringify(request)}\n`);
      return (await within(limit, `answer with ${count} ${count === 1 ? "step" : "steps"}`)) as Steps;
    },
    end,
  };
}

function isFault(answer: Answer): answer is Fault {
  return "fault" in answer;
}

/** The answers in order of arrival; the end of the process is a fault. */
function answersOf(child: ChildProcess): { readonly next: () => Promise<Answer> } {
  const ready: Answer[] = [];
  let hear: ((answer: Answer) => void) | undefined;
  const arrive = (answer: Answer) => {
    if (hear === undefined) ready.push(answer);
    else {
      hear(answer);
      hear = undefined;
    }
  };
  let complaints = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaints = `${complaints}${chunk}`.slice(-2000);
  });
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on("line", (line) => {
      // Libraries can print other lines.
      if (line.startsWith("{")) arrive(JSON.parse(line) as Answer);
    });
  child.once("error", (error) => arrive({ fault: error.message }));
  child.stdin?.on("error", () => {});
  child.once("close", (code, signal) => {
    const last = complaints.trimEnd().split("\n").at(-1) ?? "";
    arrive({ fault: `the process ended with ${code ?? signal}${last === "" ? "" : `: ${last.slice(0, 200)}`}` });
  });
  return {
    next: () => {
      const first = ready.shift();
      if (first !== undefined) return Promise.resolve(first);
      return new Promise((resolve) => {
        hear = resolve;
      });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}
