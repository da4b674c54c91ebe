/**
 * @file The bytes of a file that a browser gives a handle of: from OPFS, a file picker, or drag and drop. A writable of a
 * handle writes beside the file and replaces it when it is closed, so a write that is not finished changes nothing.
 */
import { messageOf, oneLine, UserError } from "../../compiler/graph/errors.ts";

/** A FileSystemFileHandle; TypeScript programs without DOM types have none. */
export interface FileHandle {
  /** The file's name. */
  readonly name: string;
  /** The file as it is now. */
  getFile(): Promise<{ arrayBuffer(): Promise<ArrayBuffer> }>;
  /** Opens it for writing; older versions of Safari have no such method. */
  createWritable?(): Promise<FileWritable>;
}

/** A FileSystemWritableFileStream. */
export interface FileWritable {
  /** Writes beside the file. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Replaces the file. */
  close(): Promise<void>;
  /** Drops what was written. */
  abort(reason?: unknown): Promise<void>;
}

export function isFileHandle(place: object): place is FileHandle {
  return "getFile" in place && typeof place.getFile === "function";
}

/** The bytes of the file, to be read and replaced. */
export function fileStore(handle: FileHandle) {
  const { name } = handle;
  return {
    name,
    read: async (): Promise<Uint8Array> => {
      try {
        return new Uint8Array(await (await handle.getFile()).arrayBuffer());
      } catch (error) {
        throw fault(`${name} cannot be read`, error, "read");
      }
    },
    write: async (bytes: Uint8Array): Promise<void> => {
      const kept = `${name} is not written, and what was in it is unchanged`;
      if (handle.createWritable === undefined)
        throw new UserError(
          `${kept}: this browser cannot write to file handles (createWritable is missing); use indexedDbModel(name)`,
        );
      let writable: FileWritable | undefined;
      try {
        writable = await handle.createWritable();
        // The browser may read it later than the caller changes what else lies in its buffer.
        await writable.write(Uint8Array.from(bytes));
        await writable.close();
      } catch (error) {
        await writable?.abort(error).catch(() => {});
        throw fault(kept, error, "readwrite");
      }
    },
  };
}

/** The one line for a DOMException of a file. */
function fault(what: string, error: unknown, mode: "read" | "readwrite"): UserError {
  const known: Readonly<Record<string, string>> = {
    NotAllowedError: `the user has not allowed it; after a click, await handle.requestPermission({ mode: "${mode}" })`,
    QuotaExceededError: "there is no room left for it",
    NoModificationAllowedError: "it is open elsewhere, in another tab or a worker; close it there",
    NotFoundError: "the file was removed",
  };
  const { name = "" } = typeof error === "object" && error !== null ? (error as { readonly name?: string }) : {};
  return new UserError(`${what}: ${known[name] ?? oneLine(messageOf(error))}`, { cause: error });
}
