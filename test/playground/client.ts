/** @file A page's side of the protocol, for tests: requests with replies, and events as they come. */
import { encodeCell, traceCell } from "../../entries/files.ts";
import { type CellDefinition, openDevice } from "../../index.ts";
import type {
  Command,
  DeviceChoice,
  Event,
  Fault,
  Message,
  Results,
  RunSettings,
  RunSpec,
} from "../../playground/shared/protocol.ts";
import { plainTraining } from "../../playground/shared/settings.ts";
import { DeviceWorker } from "../../playground/worker/device-worker.ts";

type CommandOf<K extends Command["type"]> = Extract<Command, { type: K }>;
type EventOf<K extends Event["type"]> = Extract<Event, { type: K }>;

/** A request that failed, with the fault that was told. */
export class Refused extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.message);
    this.fault = fault;
  }
}

export class Client {
  readonly events: Event[] = [];
  readonly #worker = new DeviceWorker((message, transfer) => {
    // What a worker's port does to a message, so that nothing passes here which would not pass there.
    this.#receive(structuredClone(message, { transfer: [...transfer] }));
  }, openDevice);
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  readonly #watching = new Set<() => void>();
  #requests = 0;

  ask<K extends Command["type"]>(command: CommandOf<K>): Promise<Results[K]> {
    const id = ++this.#requests;
    const reply = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    void this.#worker.receive({ ...command, id });
    return reply as Promise<Results[K]>;
  }

  /** The one line with which a request is refused. */
  async refusal(command: Command): Promise<string> {
    try {
      await this.ask(command);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return error.fault.message;
    }
    return "nothing was refused";
  }

  eventsOf<K extends Event["type"]>(type: K): EventOf<K>[] {
    return this.events.filter((event): event is EventOf<K> => event.type === type);
  }

  /** Resolves once `holds`, which is asked after each event. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#watching.delete(look);
        resolve();
      };
      this.#watching.add(look);
      look();
    });
  }

  #receive(message: Message): void {
    if (message.type === "reply" || message.type === "failure") {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.type === "reply") waiting?.resolve(message.result);
      else waiting?.reject(new Refused(message.fault));
      return;
    }
    this.events.push(message);
    for (const look of [...this.#watching]) look();
  }
}

export const smallSettings: RunSettings = {
  ...plainTraining,
  ...{ units: 6, layers: 1, embed: 4, batch: 2, time: 8, learningRate: 0.02, seed: 1 },
};

/** What the sandbox makes of a cell. `features` is that of the data, null for text. */
export function runSpec<Names extends string>(
  name: string,
  cell: CellDefinition<Names>,
  features: number | null = null,
  settings: Partial<RunSettings> = {},
): RunSpec {
  const all = { ...smallSettings, ...settings };
  const { units, layers, embed } = all;
  return { name, cell: encodeCell(traceCell(cell, [{ units, features: features ?? embed, layers }])), settings: all };
}

export const sentence = "the cell remembers what the gate lets in. ".repeat(30);

/** A client with a device and the sentence as its data. */
export async function clientWithText(device: DeviceChoice): Promise<Client> {
  const client = new Client();
  await client.ask({ type: "init", device });
  await client.ask({ type: "setData", data: { kind: "text", name: "a sentence", text: sentence } });
  return client;
}
