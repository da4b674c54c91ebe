/** @file Threads in Node, and in Deno, whose own Worker API would keep a process alive while workers sleep. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { type EngineThread, engineText } from "../cpu/engine-text.ts";
import type { EngineReply } from "../cpu/protocol.ts";

const script = () => `"use strict";
const { parentPort } = require("node:worker_threads");
const handle = ${engineText("(reply, transfer) => parentPort.postMessage(reply, transfer)")};
parentPort.on("message", handle);`;

export function startThread(): EngineThread {
  // execArgv: the options of the process, such as --import, are not for this script.
  const worker = new Worker(script(), { eval: true, execArgv: [], name: "cellgrad" });
  let hear = (_: EngineReply): void => {};
  let fail = (_: string): void => {};
  worker.on("message", (reply: EngineReply) => hear(reply));
  worker.on("messageerror", (error: Error) => fail(error.message));
  worker.on("error", (error: Error) => fail(error.message));
  worker.on("exit", (code: number) => fail(`a worker ended with code ${code}`));
  // After the listeners, because a message listener makes Node keep the worker alive.
  worker.unref();
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer),
    listen: (onReply, onFailure) => {
      hear = onReply;
      fail = onFailure;
    },
    hold: (isNeeded) => (isNeeded ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  };
}

export function coreCount(): number {
  return availableParallelism();
}
