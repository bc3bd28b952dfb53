import fs, { write as writeOfModule } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RemoteIPCPeer } from '../../../../src/client/acebase.js';
import {
  closeAllAfterWrites,
  closeNothingUnopened,
  writeAllInOrder,
} from '../../../../src/client/patches/node-files.js';

describe('with the functions of Node.js, where there is no way to those of AceBase', () => {
  /** Node.js, with writes that end when the test wants. */
  function nodeLab(isOn = true) {
    const original = { write: fs.write, close: fs.close };
    const steps: string[] = [];
    const ends: (() => void)[] = [];
    fs.write = ((_file: number, text: string, callback: (error: Error | null, bytes: number) => void) => {
      ends.push(() => callback(null, text.length));
    }) as unknown as typeof fs.write;
    fs.close = ((file: number, callback?: () => void) => {
      steps.push(`${file} is closed`);
      callback?.();
    }) as typeof fs.close;
    const undo = closeAllAfterWrites(() => isOn);
    onTestFinished(() => {
      undo();
      Object.assign(fs, original);
      syncBuiltinESMExports();
    });
    return { steps, ends };
  }

  it('closes a file when all that is written to it has ended, and no other later', () => {
    const { steps, ends } = nodeLab();
    fs.write(7, 'ab', (_error, bytes) => steps.push(`${bytes} bytes`));
    writeOfModule(7, 'c', () => steps.push('the rest'));
    fs.close(7, () => steps.push('told'));
    fs.close(8);
    ends[0]?.();
    expect(steps).toEqual(['8 is closed', '2 bytes']);
    ends[1]?.();
    expect(steps.slice(2)).toEqual(['7 is closed', 'told', 'the rest']);
  });

  it('closes nothing of a database that was never opened, and takes no such error from anybody else', async () => {
    const undo = closeAllAfterWrites(() => true);
    onTestFinished(undo);
    const exits: (() => void)[] = [];
    const storage: { file?: number } = {};
    const once = (_event: string, exit: () => void): unknown => exits.push(exit);
    closeNothingUnopened({ storage, once } as unknown as RemoteIPCPeer);
    exits[0]?.();
    const closed = new Promise((resolve) => fs.close(storage.file as number, resolve));
    expect(await closed).toBe(null);
    expect(storage.file).toBeUndefined();
    expect(() => fs.close(undefined as unknown as number, () => undefined)).toThrow('"fd"');
    storage.file = 7;
    exits[0]?.();
    expect(storage.file).toBe(7);
  });

  it('waits for nothing where it is switched off', () => {
    const { steps } = nodeLab(false);
    fs.write(7, 'ab', () => undefined);
    fs.close(7);
    expect(steps).toEqual(['7 is closed']);
  });
});

describe('the order of writes, with the functions of Node.js', () => {
  it('is kept for each place of a file, and what is written otherwise does not wait', async () => {
    const original = { write: fs.write, ftruncate: fs.ftruncate };
    const steps: string[] = [];
    const ends: (() => void)[] = [];
    const late = (...details: unknown[]) => {
      const callback = details.pop() as (error: Error | null, bytes?: unknown, buffer?: unknown) => void;
      steps.push(details.join(' '));
      ends.push(() => callback(null, details[3], details[1]));
    };
    Object.assign(fs, { write: late, ftruncate: late });
    const undo = writeAllInOrder(() => true);
    onTestFinished(() => {
      undo();
      Object.assign(fs, original);
      syncBuiltinESMExports();
    });
    const [older, newer] = ['older', 'newer'].map((text) => Buffer.from(text)) as [Buffer, Buffer];
    const first = new Promise((resolve) => fs.write(7, older, 0, 5, 64, (_error, bytes) => resolve(bytes)));
    const second = new Promise((resolve) => fs.write(7, newer, 0, 5, 64, (_error, bytes) => resolve(bytes)));
    fs.write(7, 'at the end', () => undefined);
    fs.ftruncate(7, 100, () => undefined);
    fs.ftruncate(7, 200, () => undefined);
    expect(steps).toEqual(['7 older 0 5 64', '7 at the end', '7 100']);
    ends[0]?.();
    expect(await first).toBe(5);
    expect(steps.slice(3)).toEqual(['7 newer 0 5 64']);
    ends[3]?.();
    expect(await second).toBe(5);
  });

  it('tells of a failure, also where the errors of Node.js are of another context, as under jest', async () => {
    const { write } = fs;
    const failure: unknown = runInNewContext("new Error('no room')");
    const failing = (...details: unknown[]) => (details.pop() as (error: unknown) => void)(failure);
    Object.assign(fs, { write: failing });
    const undo = writeAllInOrder(() => true);
    onTestFinished(() => {
      undo();
      Object.assign(fs, { write });
      syncBuiltinESMExports();
    });
    expect(await new Promise((resolve) => fs.write(7, Buffer.from('text'), 0, 4, 64, resolve))).toBe(failure);
  });
});
