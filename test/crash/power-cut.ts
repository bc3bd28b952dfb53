/** What a power cut leaves of the files of a folder: what was synced, and of all else whatever the disk had time for. */

import type { Random } from '../torture/random.js';
import { type Change, Disk } from './disk.js';

/** What was written to a file is on the disk; of a folder, which names are in it. */
export interface Synced {
  readonly kind: 'synced';
  readonly file: string;
  /** The number of the first change that came too late for that, from 0. */
  readonly until: number;
}

/** What a disk writes in one piece, in bytes. */
const PAGE_BYTES = 4_096;

/** How likely each piece is to be on the disk, in one power cut or another. */
const CHANCES = [0, 0.5, 0.9] as const;

/** A change of what is in a file, by the number of the file: its name may change. */
interface Content {
  readonly number: number;
  readonly change: Change;
  /** Which one it is of all changes. */
  readonly at: number;
}

/** From then on, a name stands for another file, or for none. */
interface Naming {
  readonly name: string;
  readonly number: number | undefined;
  /** The name that it had before. */
  readonly former?: string;
  readonly at: number;
}

/**
 * Pieces of what was written may be on the disk in any order, or not at all. Names get there in the order in which they were given, as in file systems
 * that have a journal of their own; that of a file is there when the file was synced.
 */
export function diskAfterPowerCut(events: readonly (Change | Synced)[], random: Random): Disk {
  const files = new Files();
  for (const event of events) files.add(event);
  return files.afterPowerCut(random);
}

class Files {
  readonly #numbers = new Map<string, number>();
  readonly #contents: Content[] = [];
  readonly #namings: Naming[] = [];
  /** Which changes of the contents of a file are safe, by its number: those before this one. */
  readonly #safeContents = new Map<number, number>();
  #safeNamings = 0;
  #changes = 0;
  /** How many namings there were when a file was made. */
  readonly #madeBy: number[] = [];

  add(event: Change | Synced): void {
    const { file } = event;
    const number = this.#numbers.get(file);
    if (event.kind === 'synced') {
      if (number === undefined) this.#namesAreSafe(this.#namings.filter(({ at }) => at < event.until).length);
      else this.#sync(number, event.until);
      return;
    }
    const at = this.#changes++;
    switch (event.kind) {
      case 'create':
        if (number === undefined) this.#make(file, at);
        else this.#contents.push({ number, change: { kind: 'resize', file, length: 0 }, at });
        return;
      case 'rename':
        if (number !== undefined) this.#name({ name: event.to, number, former: file, at });
        return;
      case 'remove':
        this.#name({ name: file, number: undefined, at });
        return;
      default:
        if (number !== undefined) this.#contents.push({ number, change: event, at });
    }
  }

  afterPowerCut(random: Random): Disk {
    const chance = random.pick(CHANCES);
    const names = new Map<string, number>();
    const named = this.#safeNamings + random.below(this.#namings.length - this.#safeNamings + 1);
    for (const naming of this.#namings.slice(0, named)) carryOut(naming, names);
    const disk = new Disk();
    for (const [file] of names) disk.apply({ kind: 'create', file });
    const nameOf = new Map([...names].map(([name, number]) => [number, name]));
    for (const { number, change, at } of this.#contents) {
      const file = nameOf.get(number);
      const isSafe = at < (this.#safeContents.get(number) ?? 0);
      for (const piece of isSafe ? [change] : piecesOf(change)) {
        // Drawn in each case, so that one power cut is like another but for what was synced.
        const isThere = random.chance(chance) || isSafe;
        if (isThere && file !== undefined) disk.apply({ ...piece, file } as Change);
      }
    }
    return disk;
  }

  #make(file: string, at: number): void {
    const number = this.#madeBy.length;
    this.#name({ name: file, number, at });
    this.#madeBy.push(this.#namings.length);
  }

  #name(naming: Naming): void {
    this.#namings.push(naming);
    carryOut(naming, this.#numbers);
  }

  #sync(number: number, until: number): void {
    this.#safeContents.set(number, until);
    this.#namesAreSafe(this.#madeBy[number] ?? 0);
  }

  #namesAreSafe(count: number): void {
    this.#safeNamings = Math.max(this.#safeNamings, count);
  }
}

function carryOut({ name, number, former }: Naming, names: Map<string, number>): void {
  if (former !== undefined) names.delete(former);
  if (number === undefined) names.delete(name);
  else names.set(name, number);
}

/** What the disk may have of a change, each piece by itself. */
function piecesOf(change: Change): Change[] {
  if (change.kind !== 'write') return [change];
  const { position, bytes } = change;
  const pieces: Change[] = [];
  for (let from = 0; from < bytes.length; ) {
    const until = Math.min(bytes.length, from + PAGE_BYTES - ((position + from) % PAGE_BYTES));
    pieces.push({ ...change, position: position + from, bytes: bytes.subarray(from, until) });
    from = until;
  }
  return pieces;
}
