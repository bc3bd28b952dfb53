import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { WatchedProcess } from '../support/child-process.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { Arrivals, eventually, within } from '../support/waiting.js';

const demo = fileURLToPath(new URL('../../examples/demo/demo.js', import.meta.url));

/** Runs the demo as the leader of its own process group, as a shell does, with a temporary folder of its own. */
async function startDemo(seconds: number) {
  const directory = await temporaryDirectory('demo-test');
  const child = spawn(process.execPath, [demo, '--seconds', String(seconds)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, TMPDIR: directory },
  });
  const watched = new WatchedProcess('demo', child);
  const lines = new Arrivals<string>();
  createInterface({ input: child.stdout }).on('line', (line) => lines.add(line));
  const signalAll = (signal: NodeJS.Signals | 0) => {
    try {
      return process.kill(-watched.pid, signal);
    } catch {
      return false;
    }
  };
  onTestFinished(async () => {
    signalAll('SIGKILL');
    await removeDirectory(directory);
  });
  return { watched, lines, directory, signalAll };
}

async function expectGoodEnd({
  watched,
  lines,
  directory,
  signalAll,
}: Awaited<ReturnType<typeof startDemo>>) {
  expect(await watched.endedWithin(60_000), watched.describe()).toEqual({ code: 0, signal: null });
  const summary = lines.all.map((line) => /(\d+) writes, (\d+) events/.exec(line)).find((it) => it !== null);
  const [, writes, events] = summary ?? [];
  expect(Number(writes), lines.all.join('\n')).toBeGreaterThan(0);
  // The master and the other worker hear of each.
  expect(Number(events)).toBe(2 * Number(writes));
  expect(watched.complaints).toBe('');
  await eventually(() => !signalAll(0));
  expect(await readdir(directory)).toEqual([]);
}

it('ends well when its time is over', async () => {
  await expectGoodEnd(await startDemo(4));
});

it('shows writes in one process and their events in the others, and leaves nothing behind at Ctrl-C', async () => {
  const started = await startDemo(100);
  const write = started.lines.first((line) => /anna .*→ master \d+ ms · ben \d+ ms/.test(line));
  await within(60_000, () => started.watched.describe(), Promise.race([write, started.watched.exited]));
  started.signalAll('SIGINT');
  await expectGoodEnd(started);
});
