/** How AceBase writes to its files and closes them, each by its descriptor. */
export interface FileMethods {
  write(file: number, ...rest: unknown[]): Promise<unknown>;
  close(file: number | undefined): Promise<unknown>;
}

/**
 * While AceBase makes an index it closes a file without waiting for what it writes there. On a slow disk such a write
 * comes after the file was closed: it fails, which ends the process, or goes to the file that has the number next. Here
 * a file is closed when all writes to it have ended.
 *
 * @param isOn - whether to wait now
 * @returns what undoes it
 */
export function closeAfterWrites(files: FileMethods, isOn: () => boolean): () => void {
  const { write, close } = files;
  const underWay = new Map<number, Set<Promise<unknown>>>();
  files.write = (file, ...rest) => {
    const writing = write.call(files, file, ...rest);
    const writings = underWay.get(file) ?? new Set();
    underWay.set(file, writings.add(writing));
    // Who does not wait for it is told of a failure as before: the promise that he gets is not handled here.
    return writing.finally(() => {
      writings.delete(writing);
      if (writings.size === 0) underWay.delete(file);
    });
  };
  files.close = async (file) => {
    // A database that was closed before the server had accepted its process was never opened.
    if (file === undefined) return undefined;
    for (let writings = underWay.get(file); isOn() && writings !== undefined; writings = underWay.get(file)) {
      await Promise.allSettled(writings);
    }
    return await close.call(files, file);
  };
  return () => {
    files.write = write;
    files.close = close;
  };
}
