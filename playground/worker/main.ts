/** @file The worker's door: messages of the page go to the `DeviceWorker`, and its messages to the page. */
import { openDevice } from "../../devices/open-device.ts";
import type { Message, Request } from "../shared/protocol.ts";
import { DeviceWorker } from "./device-worker.ts";

const worker = new DeviceWorker(
  (message: Message, transfer) => postMessage(message, { transfer: [...transfer] }),
  openDevice,
);

addEventListener("message", ({ data }: MessageEvent<Request>) => void worker.receive(data));
