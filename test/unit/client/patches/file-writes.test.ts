import { expect, it, onTestFinished } from 'vitest';
import { closeAfterWrites, type FileMethods } from '../../../../src/client/patches/file-writes.js';

/** Files whose writes end when the test wants. */
function lab(isOn = true) {
  const steps: string[] = [];
  const writes: PromiseWithResolvers<unknown>[] = [];
  const files: FileMethods = {
    write: () => {
      const writing = promise();
      writes.push(writing);
      return writing.promise;
    },
    close: async (file) => void steps.push(`${file} is closed`),
  };
  const original = { ...files };
  const undo = closeAfterWrites(files, () => isOn);
  return { files, original, undo, steps, writes };
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function promise(): PromiseWithResolvers<unknown> {
  let settle: Omit<PromiseWithResolvers<unknown>, 'promise'> | undefined;
  const made = new Promise<unknown>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise: made, ...(settle as Omit<PromiseWithResolvers<unknown>, 'promise'>) };
}

it('closes a file when all that is written to it has ended, whether well or not', async () => {
  const { files, steps, writes } = lab();
  const failing = files.write(7, 'a');
  const succeeding = files.write(7, 'b');
  const closing = files.close(7);
  writes[0]?.reject(new Error('disk full'));
  await expect(failing).rejects.toThrow('disk full');
  expect(steps).toEqual([]);
  writes[1]?.resolve('written');
  expect(await succeeding).toBe('written');
  await closing;
  expect(steps).toEqual(['7 is closed']);
});

it('does not wait for what is written to other files, or has been written', async () => {
  const { files, steps, writes } = lab();
  void files.write(8, 'a');
  const written = files.write(7, 'a');
  writes[1]?.resolve('written');
  await written;
  await files.close(7);
  expect(steps).toEqual(['7 is closed']);
});

it('waits for nothing where it is switched off, and leaves nothing behind when it is undone', async () => {
  const { files, original, undo, steps } = lab(false);
  void files.write(7, 'a');
  await files.close(7);
  expect(steps).toEqual(['7 is closed']);
  undo();
  expect(files).toEqual(original);
});

it('hides no failure of a write that nobody waits for', async () => {
  const { files, writes } = lab();
  const others = process.rawListeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve));
  onTestFinished(() => {
    for (const listener of others) process.on('unhandledRejection', listener as () => void);
  });
  void files.write(7, 'a');
  const closing = files.close(7);
  writes[0]?.reject(new Error('disk full'));
  expect(await unhandled).toEqual(new Error('disk full'));
  await closing;
});
