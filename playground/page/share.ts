/**
 * @file A link that holds cells, settings and, where they are small, the data, compressed in the part of the address that
 * is sent to no server. Cells that came by a link are shown, and run only when the visitor agrees.
 */
import { checkedWork, type ReadWork, storedWork } from "./session/stored-work.ts";
import type { Work } from "./session/workspace.ts";

const prefix = "#cell=";
/** Characters of a link: mail programs and chats pass that many on. */
const longestLink = 16_000;
/** Characters of what a link holds, unpacked. */
const mostUnpacked = 1_000_000;

export interface Link {
  /** The part of the address, from # on. */
  readonly hash: string;
  /** Whether the visitor's own data are left out, since the link would be too long. */
  readonly withoutData: boolean;
}

/** The link to some work: with its data, where that is short enough. The name of the cell in front is for people. */
export async function linkOf(work: Work): Promise<Link> {
  const whole = storedWork(work);
  const hash = await hashOf(whole);
  const { kind } = work.data;
  const isOwn = kind === "text" || kind === "csv";
  if (!isOwn || (whole.data.kind === kind && hash.length <= longestLink))
    return { hash, withoutData: whole.data.kind === "missing" };
  return { hash: await hashOf(storedWork(work, 0)), withoutData: true };
}

async function hashOf(work: Work): Promise<string> {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(work)), new CompressionStream("deflate-raw"));
  const characters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const text = btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const name = (work.cells[work.active]?.name ?? "").replaceAll(/[^a-z0-9-]+/gi, "-").replaceAll(/^-|-$/g, "");
  return `${prefix}${name === "" ? "" : `${name}.`}${text}`;
}

/** What the address holds; undefined where it holds nothing. Throws an error of one line where it is damaged. */
export async function sharedIn(hash: string): Promise<ReadWork | undefined> {
  if (!hash.startsWith(prefix)) return undefined;
  try {
    const text = hash.slice(prefix.length).replace(/^[^.]*\./, "");
    const packed = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
    const unpacked = await through(bytes, new DecompressionStream("deflate-raw"));
    return checkedWork(JSON.parse(new TextDecoder().decode(unpacked)), "link");
  } catch {
    throw new Error("this link is damaged: it holds no cell that can be read; ask for it again");
  }
}

/** What to say of a link with parts that cannot be read; undefined for a whole one. */
export function unreadInWords({ unread }: Pick<ReadWork, "unread">): string | undefined {
  const instead = { settings: "the usual settings", data: "this project’s documentation as data" };
  if (unread.length === 0) return undefined;
  const parts = unread.join(" and the ");
  return `The ${parts} of this link cannot be read. Its cells are here, with ${unread.map((part) => instead[part]).join(" and ")}.`;
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
    if (total > mostUnpacked) throw new Error("too long");
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
