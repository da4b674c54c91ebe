/** @file The corpus: plans that once failed, each a file of test/corpus, which the tests replay. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ScanScheduleName } from "../../compiler/plan/scan/names.ts";
import type { Entry, Failure, HostName } from "./protocol.ts";

const folder = new URL("../corpus/", import.meta.url);

/** All entries, by the names of their files. */
export function corpus(): Readonly<Record<string, Entry>> {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json"));
  return Object.fromEntries(files.map((file) => [file, JSON.parse(readFileSync(new URL(file, folder), "utf8"))]));
}

/** Adds what failed, in a schedule if that was forced; gives the path of its file. */
export function addToCorpus({ kind, seed, found, plan }: Failure, host: HostName, forced?: ScanScheduleName): string {
  const entry: Entry = { kind, found, host, ...(forced !== undefined && { forced }), plan };
  const file = new URL(`${forced ?? kind}-${host}-${seed}.json`, folder);
  writeFileSync(file, `${JSON.stringify(entry, null, 2)}\n`);
  return fileURLToPath(file);
}
