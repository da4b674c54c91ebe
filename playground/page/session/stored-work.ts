/**
 * @file The visitor's work as text: what a link holds, and what is kept in the browser. Whatever is read back is checked
 * field by field, since a link may come from anyone, and what was kept may be of an earlier version of this page.
 */
import { checkedSettings } from "../../shared/settings.ts";
import { type DataChoice, firstSettings, mostCells, type NamedSource, type Work } from "./workspace.ts";

/** Characters of a source, or of data that come along. */
const longest = 200_000;

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

/** Only what work may hold, and only where it is of the right kind. `from` says where it was kept. Throws where there is no cell. */
export function checkedWork(value: unknown, from: "link" | "visit"): Work {
  const { cells, active, settings, data } = asRecord(value);
  if (!Array.isArray(cells) || cells.length === 0 || cells.length > mostCells) throw new Error("no cells");
  const opened = cells.map((cell): NamedSource => {
    const { name, source } = asRecord(cell);
    if (typeof name !== "string" || typeof source !== "string") throw new Error("no cell");
    if (name.length > 60 || source.length > longest) throw new Error("too long");
    return { name, source };
  });
  return {
    cells: opened,
    active: Number.isInteger(active) ? Math.min(Math.max(0, Number(active)), opened.length - 1) : 0,
    settings: { ...firstSettings, ...checkedSettings(asRecord(settings)) },
    data: checkedData(asRecord(data), from),
  };
}

function checkedData(given: Readonly<Record<string, unknown>>, from: "link" | "visit"): DataChoice {
  const { kind, name, text, size } = given;
  if (typeof name !== "string" || name.length > 255) return { kind: "documentation" };
  if ((kind === "text" || kind === "csv") && typeof text === "string" && text.length <= longest)
    return { kind, name, text };
  if (kind === "missing" && typeof size === "number" && size >= 0) return { kind, name, size, from };
  if (kind !== "task") return { kind: "documentation" };
  const parameters = Object.entries(asRecord(given.parameters)).filter(([, value]) => typeof value === "number");
  return { kind, name, parameters: Object.fromEntries(parameters) as Record<string, number> };
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
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("no record");
  return value as Readonly<Record<string, unknown>>;
}
