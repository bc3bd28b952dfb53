import { expect, it } from 'vitest';
import { type PlacedWrites, writeInOrder } from '../../../../src/client/patches/write-order.js';

/** Files whose writes end when the test wants. */
function lab(isOn = true) {
  const steps: string[] = [];
  const ends: { resolve: (value?: unknown) => void; reject: (error: Error) => void }[] = [];
  const act = (step: string) =>
    new Promise<unknown>((resolve, reject) => {
      steps.push(step);
      ends.push({ resolve, reject });
    });
  const files: PlacedWrites = {
    write: (file, buffer, _offset, length, place) => act(`${file}@${place}: ${buffer}/${length}`),
    ftruncate: (file, length) => act(`${file} gets ${length}`),
  };
  const original = { ...files };
  const undo = writeInOrder(files, () => isOn);
  const write = (text: string, place = 100, length = 10) => files.write(7, text, 0, length, place);
  /** Lets promises settle. */
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return { files, original, undo, steps, ends, write, turn };
}

it('writes to one place in the order that was asked for, and leaves out what the next write covers', async () => {
  const { steps, ends, write, turn } = lab();
  const writing = [write('a'), write('b'), write('c'), write('d', 100, 12)];
  expect(steps).toEqual(['7@100: a/10']);
  ends[0]?.resolve();
  expect(await writing[0]).toEqual({ bytesWritten: 10, buffer: 'a' });
  expect(steps).toEqual(['7@100: a/10', '7@100: d/12']);
  let isDone = false;
  void writing[1]?.then(() => (isDone = true));
  await turn();
  expect(isDone).toBe(false);
  ends[1]?.resolve();
  expect(await Promise.all(writing.slice(1))).toMatchObject([
    { bytesWritten: 10 },
    { bytesWritten: 10 },
    { bytesWritten: 12 },
  ]);
  void write('e');
  expect(steps.at(-1)).toBe('7@100: e/10');
});

it('leaves nothing out that is longer than the next write', async () => {
  const { steps, ends, write, turn } = lab();
  for (const [text, length] of [
    ['a', 5],
    ['b', 20],
    ['c', 10],
  ] as const)
    void write(text, 100, length);
  ends[0]?.resolve();
  await turn();
  ends[1]?.resolve();
  await turn();
  expect(steps).toEqual(['7@100: a/5', '7@100: b/20', '7@100: c/10']);
});

it('does not wait for other places, or other files', () => {
  const { files, steps, write } = lab();
  void write('a');
  void write('b', 200);
  void files.write(8, 'c', 0, 10, 100);
  void files.write(7, 'whole');
  expect(steps).toHaveLength(4);
});

it('tells all whom it concerns of a failure, and goes on', async () => {
  const { steps, ends, write } = lab();
  const writing = [write('a'), write('b'), write('c')].map((it) => it.catch((error: Error) => error.message));
  ends[0]?.reject(new Error('disk full'));
  expect(await writing[0]).toBe('disk full');
  ends[1]?.reject(new Error('still full'));
  expect(await Promise.all(writing)).toEqual(['disk full', 'still full', 'still full']);
  void write('d');
  expect(steps).toHaveLength(3);
});

it('sets the length of a file in the order that was asked for', async () => {
  const { files, steps, ends, turn } = lab();
  const setting = [files.ftruncate(7, 1), files.ftruncate(7, 2), files.ftruncate(8, 3)];
  expect(steps).toEqual(['7 gets 1', '8 gets 3']);
  ends[0]?.reject(new Error('disk full'));
  await expect(setting[0]).rejects.toThrow('disk full');
  await turn();
  expect(steps).toEqual(['7 gets 1', '8 gets 3', '7 gets 2']);
});

it('orders nothing where it is switched off, and leaves nothing behind when it is undone', () => {
  const { files, original, undo, steps, write } = lab(false);
  void write('a');
  void write('b');
  void files.ftruncate(7, 1);
  expect(steps).toHaveLength(3);
  undo();
  expect(files).toEqual(original);
});
