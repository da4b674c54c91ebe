/** @file Runs one job in a fresh browser: starts a small server and the page, and collects its messages. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { UnpackedChromium } from "../../test/support/chromium.ts";
import { DisagreementError } from "../measure/measure.ts";
import { openBrowser } from "./chromium.ts";
import type { Job, Message } from "./job.ts";

export type Result = Extract<Message, { kind: "steady" | "cold" }>;

const page = '<!doctype html><meta charset="utf-8"><title>bench</title><script type="module" src="/page.js"></script>';

/** Rejects if the page fails, the browser exits, or no message arrives for five minutes. */
export async function runJob(
  chromium: UnpackedChromium,
  script: string,
  job: Job,
  flags: readonly string[],
  say: (words: string) => void,
): Promise<Result> {
  let hear: (message: Message) => void = () => {};
  const server = createServer((request, response) => {
    const send = (type: string, text: string) => response.writeHead(200, { "content-type": type }).end(text);
    if (request.url === "/job") send("application/json", JSON.stringify(job));
    else if (request.url === "/page.js") send("text/javascript", script);
    else if (request.url === "/message") {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        send("text/plain", "");
        hear(JSON.parse(Buffer.concat(chunks).toString("utf8")) as Message);
      });
    } else if (request.url === "/") send("text/html", page);
    else response.writeHead(404).end();
  });
  const url = await listen(server);
  const browser = await openBrowser(chromium, url, flags);
  let timer: NodeJS.Timeout | undefined;
  try {
    const result = new Promise<Result>((resolve, reject) => {
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => reject(new Error("no message from the page for five minutes")), 300_000);
      };
      wait();
      hear = (message) => {
        wait();
        if (message.kind === "say") say(message.words);
        else if (message.kind !== "error") resolve(message);
        else reject(message.disagreement ? new DisagreementError(message.message) : new Error(message.message));
      };
    });
    return await Promise.race([result, browser.failed]);
  } finally {
    clearTimeout(timer);
    await browser.close();
    server.closeAllConnections();
    server.close();
  }
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // Only local: pages from 127.0.0.1 count as secure, which WebGPU requires.
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`));
  });
}
