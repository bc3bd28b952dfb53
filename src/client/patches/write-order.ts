/** How AceBase writes to a place of a file, and sets the length of the file. */
export interface PlacedWrites {
  write(file: number, ...rest: unknown[]): Promise<unknown>;
  ftruncate(file: number, length?: number): Promise<unknown>;
}

/** What is to be written, and who waits for it: more than one if it takes the place of what was to be written before. */
interface Waiting {
  readonly buffer: unknown;
  readonly offset: number;
  readonly length: number;
  readonly askers: {
    resolve(result: unknown): void;
    reject(error: unknown): void;
    readonly length: number;
  }[];
}

/**
 * AceBase writes its tables of free space and of keys as a whole, each time that something changes, and starts the next write
 * without waiting for the last one. The threads of Node carry them out in any order. If an older table lands on a newer one
 * and the process ends before the next, the file has space as free that is taken, and two records get it. So it is with the
 * length of the file: an older, shorter one cuts off what was written behind it.
 *
 * Here, writes to one place of one file are carried out in the order in which they were asked for. One that waits is left out if
 * the next one covers it: whoever asked for it is answered when that has been written. Lengths are set in order, too.
 *
 * @param isOn - whether to keep the order now
 * @returns what undoes it
 */
export function writeInOrder(files: PlacedWrites, isOn: () => boolean): () => void {
  const { write, ftruncate } = files;
  /** By file and place: what waits for the write that is under way. */
  const places = new Map<number, Map<number, Waiting[]>>();
  const lengths = new Map<number, Promise<unknown>>();

  const start = (file: number, place: number, waiting: Waiting[], next: Waiting): void => {
    const { buffer, offset, length, askers } = next;
    const written = (settle: (asker: Waiting['askers'][number]) => void): void => {
      const following = waiting.shift();
      if (following !== undefined) start(file, place, waiting, following);
      else forget(file, place);
      for (const asker of askers) settle(asker);
    };
    write.call(files, file, buffer, offset, length, place).then(
      () => written((asker) => asker.resolve({ bytesWritten: asker.length, buffer })),
      (error: unknown) => written((asker) => asker.reject(error)),
    );
  };
  const forget = (file: number, place: number): void => {
    const ofFile = places.get(file);
    ofFile?.delete(place);
    if (ofFile?.size === 0) places.delete(file);
  };

  files.write = (file, ...rest) => {
    const [buffer, offset, length, place] = rest;
    if (!isOn() || typeof offset !== 'number' || typeof length !== 'number' || typeof place !== 'number') {
      return write.call(files, file, ...rest);
    }
    return new Promise((resolve, reject) => {
      const asker = { resolve, reject, length };
      const ofFile = places.get(file) ?? new Map<number, Waiting[]>();
      places.set(file, ofFile);
      const waiting = ofFile.get(place);
      if (waiting === undefined) {
        const behind: Waiting[] = [];
        ofFile.set(place, behind);
        start(file, place, behind, { buffer, offset, length, askers: [asker] });
        return;
      }
      const last = waiting.at(-1);
      const isCovered = last !== undefined && last.length <= length;
      const askers = isCovered ? last.askers : [];
      askers.push(asker);
      if (isCovered) waiting.pop();
      waiting.push({ buffer, offset, length, askers });
    });
  };
  files.ftruncate = (file, length) => {
    const last = lengths.get(file);
    if (!isOn() || last === undefined) return follow(file, ftruncate.call(files, file, length));
    const next = (): Promise<unknown> => ftruncate.call(files, file, length);
    return follow(file, last.then(next, next));
  };
  const follow = (file: number, setting: Promise<unknown>): Promise<unknown> => {
    lengths.set(file, setting);
    const ended = (): void => {
      if (lengths.get(file) === setting) lengths.delete(file);
    };
    setting.then(ended, ended);
    return setting;
  };
  return () => {
    files.write = write;
    files.ftruncate = ftruncate;
  };
}
