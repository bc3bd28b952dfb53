import fs, { write as writeOfModule } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { describe, expect, it, onTestFinished } from 'vitest';
import { closeAllAfterWrites } from '../../../src/client/node-files.js';

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

  it('waits for nothing where it is switched off', () => {
    const { steps } = nodeLab(false);
    fs.write(7, 'ab', () => undefined);
    fs.close(7);
    expect(steps).toEqual(['7 is closed']);
  });
});
