/** @file A growing byte buffer, with the number encodings of WebAssembly's binary format. */

export class Bytes {
  #data = new Uint8Array(256);
  #view = new DataView(this.#data.buffer);
  #length = 0;

  /** A copy of the bytes so far. */
  toArray(): Uint8Array<ArrayBuffer> {
    return this.#data.slice(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#data[this.#length++] = value;
  }

  all(values: readonly number[]): void {
    for (const value of values) this.byte(value);
  }

  /** An unsigned number up to 2^32 - 1, as LEB128. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    for (; rest >= 0x80; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest);
  }

  /** A signed integer that a double represents exactly, as LEB128: it ends with a byte whose bit 6 is the sign. */
  signed(value: number): void {
    let rest = value;
    for (; rest < -64 || rest > 63; rest = Math.floor(rest / 128)) this.byte((((rest % 128) + 128) % 128) | 0x80);
    this.byte(rest & 0x7f);
  }

  float32(value: number): void {
    this.#reserve(4);
    this.#view.setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  /** Text in UTF-8, preceded by its number of bytes. */
  text(value: string): void {
    const bytes = encoder.encode(value);
    this.unsigned(bytes.length);
    this.append(bytes);
  }

  /** Other bytes, preceded by their number. */
  sized(other: Bytes): void {
    this.unsigned(other.#length);
    this.append(other.#data.subarray(0, other.#length));
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#data.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#data.length) return;
    const data = new Uint8Array(Math.max(needed, 2 * this.#data.length));
    data.set(this.#data);
    this.#data = data;
    this.#view = new DataView(data.buffer);
  }
}

const encoder = new TextEncoder();
