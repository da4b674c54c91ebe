/** What of the package is used; it brings no types. */
declare module "jsfive" {
  type Attribute = string | number | readonly string[] | readonly number[];

  interface Item {
    readonly attrs: Readonly<Record<string, Attribute | undefined>>;
  }

  class Group implements Item {
    readonly attrs: Item["attrs"];
    readonly keys: readonly string[];
    get(name: string): Group | Dataset;
  }

  class File extends Group {
    constructor(bytes: ArrayBuffer, name: string);
  }

  class Dataset implements Item {
    readonly attrs: Item["attrs"];
    readonly shape: readonly number[];
    readonly dtype: unknown;
    readonly value: readonly unknown[];
  }
}
