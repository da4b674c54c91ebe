/**
 * @file The visitor's work as text: what a link holds, and what is kept in the browser. Whatever is read back is checked
 * field by field, since a link may come from anyone, and what was kept may be of an earlier version of this page.
 */
import { checkedSettings } from "../../shared/settings.ts";
import { type DataChoice, firstSettings, mostCells, type NamedSource, type Work } from "./workspace.ts";

/** Characters of a source, or of data that come along. */
const longest = 200_000;
/** Characters or bytes of data that a browser can hold. */
const largest = 1e9;

/** The work as plain JSON. Data with more characters than `mostText` are left out: only their name and size remain. */
export function storedWork(work: Work, mostText = longest): Work {
  const { data } = work;
  if (data.kind !== "text" && data.kind !== "csv") return work;
  const { kind, name } = data;
  const size = data.text.length;
  // One character takes four bytes at the most.
  const text = size > 4 * mostText ? undefined : asText(data.text);
  const left: DataChoice = { kind: "missing", name, size, from: "link" };
  return { ...work, data: text === undefined || text.length > mostText ? left : { kind, name, text } };
}

/** Work that was read back, and which parts of it could not be read: the page's own stand in for them. */
export interface ReadWork {
  readonly work: Work;
  readonly unread: readonly ("settings" | "data")[];
}

/** Only what work may hold, and only where it is of the right kind. `from` says where it was kept. Throws where there is no cell. */
export function checkedWork(value: unknown, from: "link" | "visit"): ReadWork {
  const { cells, active, settings, data } = asRecord(value);
  if (!Array.isArray(cells) || cells.length === 0 || cells.length > mostCells) throw new Error("no cells");
  const opened = cells.map((cell): NamedSource => {
    const { name, source } = asRecord(cell);
    if (typeof name !== "string" || typeof source !== "string") throw new Error("no cell");
    if (name.length > 60 || source.length > longest) throw new Error("too long");
    return { name: withVisibleControls(name).slice(0, 60), source };
  });
  const found = isRecord(settings) ? checkedSettings(settings) : undefined;
  const own = isRecord(data) ? checkedData(data, from) : undefined;
  return {
    work: {
      cells: opened,
      active: Number.isInteger(active) ? Math.min(Math.max(0, Number(active)), opened.length - 1) : 0,
      settings: { ...firstSettings, ...found },
      data: own ?? { kind: "documentation" },
    },
    unread: [
      ...(found === undefined ? (["settings"] as const) : []),
      ...(own === undefined ? (["data"] as const) : []),
    ],
  };
}

/** Undefined for data that cannot be read. */
function checkedData(given: Readonly<Record<string, unknown>>, from: "link" | "visit"): DataChoice | undefined {
  const { kind, text, size, parameters } = given;
  if (kind === "documentation") return { kind };
  if (typeof given.name !== "string" || given.name.length > 255) return undefined;
  const name = withVisibleControls(given.name).slice(0, 255);
  if ((kind === "text" || kind === "csv") && typeof text === "string" && text.length <= longest)
    return { kind, name, text };
  if (kind === "missing" && isSize(size)) return { kind, name, size, from };
  if (kind !== "task" || !isRecord(parameters)) return undefined;
  const numbers = Object.entries(parameters).filter(([, value]) => typeof value === "number");
  return { kind, name, parameters: Object.fromEntries(numbers) as Record<string, number> };
}

function isSize(size: unknown): size is number {
  return Number.isInteger(size) && Number(size) >= 0 && Number(size) <= largest;
}

/** A name from elsewhere must not turn the writing direction of the page's own words around it. */
function withVisibleControls(name: string): string {
  return name.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** The text of a file; undefined where its bytes are none. */
function asText(text: string | Uint8Array): string | undefined {
  if (typeof text === "string") return text;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(text);
  } catch {
    return undefined;
  }
}

export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new Error("no record");
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
