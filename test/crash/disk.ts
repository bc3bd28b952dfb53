import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** One change of the files of a folder, in the order in which a process has made them. Names are relative to the folder. */
export type Change =
  /** It is made, or emptied. */
  | { readonly kind: 'create'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'resize'; readonly file: string; readonly length: number }
  | { readonly kind: 'rename'; readonly file: string; readonly to: string }
  | { readonly kind: 'remove'; readonly file: string };

type Write = Extract<Change, { readonly kind: 'write' }>;

/** Whether a crash may come in the midst of it. */
export function hasHalves(change: Change): change is Write {
  return change.kind === 'write' && change.bytes.length > 1;
}

/** What is written by then. */
export function firstHalf({ bytes }: Write): Uint8Array {
  return bytes.subarray(0, bytes.length >> 1);
}

/** The files of a folder, in memory. */
export class Disk {
  readonly #files: Map<string, Buffer>;

  /** @param files those that are there */
  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    this.#files = new Map(files);
  }

  /** The files of a folder that is there. */
  static of(folder: string): Disk {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((it) => it.isFile());
    const paths = files.map(({ parentPath, name }) => join(parentPath, name));
    return new Disk(new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path)])));
  }

  /** Another one with the same files. */
  copy(): Disk {
    return new Disk(new Map([...this.#files].map(([file, bytes]) => [file, Buffer.from(bytes)])));
  }

  /** The length of a file, in bytes; `undefined` if there is none. */
  lengthOf(file: string): number | undefined {
    return this.#files.get(file)?.length;
  }

  apply(change: Change): void {
    switch (change.kind) {
      case 'create':
        this.#files.set(change.file, Buffer.alloc(0));
        return;
      case 'write':
        this.#write(change.file, change.position, change.bytes);
        return;
      case 'resize':
        this.#resize(change.file, change.length);
        return;
      case 'rename':
        this.#files.set(change.to, this.#of(change.file));
        this.#files.delete(change.file);
        return;
      case 'remove':
        this.#files.delete(change.file);
    }
  }

  /** Does the first half of a change. @returns false if it has no halves */
  applyHalf(change: Change): boolean {
    if (!hasHalves(change)) return false;
    this.#write(change.file, change.position, firstHalf(change));
    return true;
  }

  /** The bytes of each file, by its name. */
  get files(): ReadonlyMap<string, Buffer> {
    return this.#files;
  }

  /** Makes the files in a folder that has none. */
  async writeTo(folder: string): Promise<void> {
    for (const [file, bytes] of this.#files) {
      const path = join(folder, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
    }
  }

  #write(file: string, position: number, bytes: Uint8Array): void {
    if (position + bytes.length > this.#of(file).length) this.#resize(file, position + bytes.length);
    this.#of(file).set(bytes, position);
  }

  #resize(file: string, length: number): void {
    const before = this.#of(file);
    const after = Buffer.alloc(length);
    before.copy(after);
    this.#files.set(file, after);
  }

  #of(file: string): Buffer {
    const bytes = this.#files.get(file);
    if (bytes === undefined) throw new Error(`There is no ${file}`);
    return bytes;
  }
}
