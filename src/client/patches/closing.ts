import type { Storage } from '../acebase.js';

type LogMutation = (...rest: unknown[]) => unknown;

/**
 * AceBase closes the data and its transaction log at once; what was written last then finds the log closed. Here the data
 * ends first, then what is being logged, then the log.
 */
export function closeDataBeforeLog(storage: Storage): void {
  if (storage.settings.type !== undefined && storage.settings.type !== 'data') return;
  const logging = new Set<Promise<unknown>>();
  const original: unknown = Reflect.get(storage, 'logMutation');
  if (typeof original === 'function') {
    const logMutation: LogMutation = (...rest) => {
      const result: unknown = Reflect.apply(original, storage, rest);
      if (!(result instanceof Promise)) return result;
      logging.add(result);
      const ended = (): boolean => logging.delete(result);
      result.then(ended, ended);
      return result;
    };
    Reflect.set(storage, 'logMutation', logMutation);
  }
  storage.close = async () => {
    await storage.ipc.exit();
    await Promise.allSettled(logging);
    await storage.txStorage?.close();
  };
}
