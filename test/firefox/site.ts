/** @file A small server of pages, for browsers that are driven from outside: each kind of page in a folder of its own. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { isolation } from "../../playground/isolation.ts";

export interface PageKind {
  readonly name: string;
  /** Of the page and of all that it fetches. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What pages may and may not do, each with what the CPU's device is called there. */
export const pageKinds = [
  { name: "isolated", place: "threads", headers: isolation },
  { name: "not isolated", place: "worker", headers: {} },
  {
    name: "no workers of its own making",
    place: "caller",
    headers: { "content-security-policy": "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'" },
  },
] as const satisfies readonly (PageKind & { place: "threads" | "worker" | "caller" })[];

const html =
  '<!doctype html><meta charset="utf-8"><title>cellgrad</title><script type="module" src="page.js"></script>';

const types: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

export interface Server {
  /** Of a kind of page by its number, or of the playground. */
  readonly address: (folder: number | "playground") => string;
  readonly close: () => void;
}

/** `script` is that of the pages; `playground` has the built files by their path. */
export async function serveSite(script: string, playground: ReadonlyMap<string, Buffer>): Promise<Server> {
  const server = createServer(({ url = "/" }, response) => {
    const [, folder = "", ...rest] = new URL(url, "http://localhost").pathname.split("/");
    const path = rest.join("/");
    const kind = pageKinds[Number(folder)];
    const body =
      folder === "playground"
        ? playground.get(path === "" ? "index.html" : path)
        : { "": html, "page.js": script }[kind === undefined ? "none" : path];
    const headers =
      folder === "playground" ? { ...isolation, "access-control-allow-origin": "*" } : { ...kind?.headers };
    response.writeHead(body === undefined ? 404 : 200, {
      ...headers,
      "content-type": `${types[extname(path)] ?? "text/html"}; charset=utf-8`,
    });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: (folder) => `http://localhost:${port}/${folder}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
