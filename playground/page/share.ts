/**
 * @file A link that holds cells and settings, compressed in the part of the address that is sent to no server. Cells that
 * came by a link are shown, and run only when the visitor agrees.
 */
import { checkedSettings, type RunSettings } from "../shared/settings.ts";
import { presets } from "./presets.ts";
import type { DataChoice } from "./session/workspace.ts";
import { mostCells } from "./session/workspace.ts";

export interface Shared {
  readonly cells: readonly { readonly name: string; readonly source: string }[];
  readonly settings: Partial<RunSettings>;
  readonly data: Extract<DataChoice, { kind: "documentation" | "task" }>;
}

const prefix = "#cell=";
/** Characters of what a link holds, unpacked. */
const longest = 200_000;

export async function linkOf(shared: Shared): Promise<string> {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(shared)), new CompressionStream("deflate-raw"));
  const text = btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  return `${location.href.replace(/#.*$/, "")}${prefix}${text}`;
}

/** What the address holds; undefined where it holds nothing. Throws an error of one line where it is damaged. */
export async function sharedIn(hash: string): Promise<Shared | undefined> {
  if (!hash.startsWith(prefix)) return undefined;
  try {
    const packed = atob(hash.slice(prefix.length).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    return checked(JSON.parse(new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw")))));
  } catch {
    throw new Error("this link is damaged: it holds no cell that can be read; ask for it again");
  }
}

/** Whether every cell is one of this page's own, so that nobody need be asked. */
export function isOwn({ cells }: Shared): boolean {
  return cells.every(({ source }) => presets.some((preset) => preset.source === source));
}

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = new Blob([bytes]).stream().pipeThrough(stream).getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let total = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    total += value.length;
    // A short link can unpack to very much.
    if (total > 4 * longest) throw new Error("too long");
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Only what a link may hold, and only where it is of the right kind. */
function checked(value: unknown): Shared {
  const { cells, settings, data } = asRecord(value);
  if (!Array.isArray(cells) || cells.length === 0 || cells.length > mostCells) throw new Error("no cells");
  const opened = cells.map((cell) => {
    const { name, source } = asRecord(cell);
    if (typeof name !== "string" || typeof source !== "string") throw new Error("no cell");
    if (name.length > 60 || source.length > longest) throw new Error("too long");
    return { name, source };
  });
  return { cells: opened, settings: checkedSettings(asRecord(settings)), data: checkedData(asRecord(data)) };
}

function checkedData(given: Readonly<Record<string, unknown>>): Shared["data"] {
  if (given.kind !== "task" || typeof given.name !== "string") return { kind: "documentation" };
  const parameters = Object.entries(asRecord(given.parameters)).filter(([, value]) => typeof value === "number");
  return { kind: "task", name: given.name, parameters: Object.fromEntries(parameters) as Record<string, number> };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("no record");
  return value as Readonly<Record<string, unknown>>;
}
