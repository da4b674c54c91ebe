/** @file The software adapter's files: unpacked once, completely or not at all; failures give a one-line error. */
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { unpackOnce } from "../../runtime/hosts/unpack.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cellgrad-unpack-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const here = (path: string) => join(folder, path);
const contents: Readonly<Record<string, string>> = { driver: "d".repeat(513), loader: "l".repeat(512), empty: "" };
const files = Object.keys(contents);

/** A tar archive as written by `tar`: a folder first, then each file, whose type can be empty. */
function tar(entries: Readonly<Record<string, string>>): Buffer {
  const block = (name: string, type: string, size: number) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
    header.write(type, 156);
    header.write("ustar\0", 257);
    return header;
  };
  const parts = Object.entries(entries).flatMap(([name, text], i) => [
    block(`./${name}`, i === 0 ? "" : "0", text.length),
    Buffer.concat([Buffer.from(text)], Math.ceil(text.length / 512) * 512),
  ]);
  return Buffer.concat([block("./", "5", 0), ...parts, Buffer.alloc(1024)]);
}

function archiveOf(entries: Readonly<Record<string, string>>): string {
  writeFileSync(here("archive.tar.br"), brotliCompressSync(tar(entries)));
  return here("archive.tar.br");
}

function expectAll(found: string): void {
  expect(readdirSync(found).sort()).toEqual([...files].sort());
  for (const file of files) expect(readFileSync(join(found, file), "utf8")).toBe(contents[file]);
}

const failureOf = (parents: readonly string[], archive = archiveOf(contents)) =>
  unpackOnce(archive, files, "v1", parents).then(
    () => "no error",
    (error: Error) => `${error.name}: ${error.message}`,
  );

test("only once: afterwards the archive is not read again", async () => {
  const archive = archiveOf(contents);
  expectAll(await unpackOnce(archive, files, "v1", [here("a/b"), here("c")]));
  rmSync(archive);
  expect(await unpackOnce(archive, files, "v1", [here("a/b"), here("c")])).toBe(here("a/b/v1"));
  expect(readdirSync(here("a/b"))).toEqual(["v1"]);
});

test("by many processes at once: all get the same files, and nothing else is left", async () => {
  const archive = archiveOf(contents);
  const found = await Promise.all(Array.from({ length: 6 }, () => unpackOnce(archive, files, "v1", [here("a")])));
  expect(new Set(found)).toEqual(new Set([here("a/v1")]));
  expectAll(here("a/v1"));
  expect(readdirSync(here("a"))).toEqual(["v1"]);
});

test("into the next folder if the first cannot be written", async () => {
  writeFileSync(here("taken"), "a file");
  expectAll(await unpackOnce(archiveOf(contents), files, "v1", [here("taken/a"), here("b")]));
  expect(await failureOf([here("taken/a"), here("taken")])).toMatch(
    /^DeviceUnavailableError: The software adapter could not be unpacked \(E[A-Z]+: .*taken.*\)\. Make .*taken\/a or .*taken writable\.$/,
  );
});

test("a truncated archive, or one that lacks a file, leaves nothing", async () => {
  const damaged = (archive: string, reason: string) =>
    `DeviceUnavailableError: The software adapter's archive ${archive} is damaged (${reason}). Install its package again.`;
  const whole = readFileSync(archiveOf(contents));
  const cut = here("cut.tar.br");
  writeFileSync(cut, whole.subarray(0, whole.length - 9));
  expect(await failureOf([here("a")], cut)).toBe(damaged(cut, "unexpected end of file"));
  writeFileSync(cut, brotliCompressSync(tar(contents).subarray(0, 1024)));
  expect(await failureOf([here("a")], cut)).toBe(damaged(cut, "damaged tar archive"));
  const { empty: _, ...others } = contents;
  const short = archiveOf(others);
  expect(await failureOf([here("a")], short)).toBe(damaged(short, "it holds no empty"));
  expect(existsSync(here("a"))).toBe(false);
});

test("a folder of another user is not trusted", async () => {
  mkdirSync(here("a/v1"), { recursive: true });
  writeFileSync(here("a/v1/driver"), "anything");
  // Only root can give a folder away; for others such a folder is what it finds.
  if (process.getuid?.() !== 0) return;
  chownSync(here("a/v1"), 12345, 12345);
  expectAll(await unpackOnce(archiveOf(contents), files, "v1", [here("a"), here("b")]));
  expect(await failureOf([here("a")])).toMatch(/could not be unpacked \(ENOTEMPTY/);
});
