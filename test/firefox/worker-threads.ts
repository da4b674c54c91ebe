/** @file How many workers a browser's pages have, as its operating system sees them: a page cannot see one that was left behind. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Names of the threads of workers, in Firefox and in Chromium. */
const workerNames = new Set(["DOM Worker", "DedicatedWorker"]);

/** A process, with all that came of it. */
function family(process: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc")) {
    const parent = /^\d+$/.test(entry) ? / \S (\d+) /.exec(afterName(`/proc/${entry}/stat`))?.[1] : undefined;
    if (parent !== undefined) children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(entry)]);
  }
  const found = [process];
  for (const one of found) found.push(...(children.get(one) ?? []));
  return found;
}

/** What stands after the name, which may have blanks and brackets. Processes and threads end while they are looked at. */
function afterName(file: string): string {
  const text = read(file);
  return text.slice(text.lastIndexOf(")") + 1);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function threadsOf(process: number): string[] {
  const folder = `/proc/${process}/task`;
  try {
    return readdirSync(folder).map((thread) => read(join(folder, thread, "comm")).trim());
  } catch {
    return [];
  }
}

/** Workers of a browser by its process, or undefined where the system does not say. */
export function countWorkers(browser: number): number | undefined {
  if (!existsSync("/proc/self/task")) return undefined;
  return family(browser)
    .flatMap(threadsOf)
    .filter((name) => workerNames.has(name)).length;
}
