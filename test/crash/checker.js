/**
 * A process that judges one crash after the other, as its parent asks: `fork('checker.js', ['{…}'])`. It makes the files as a trace has them, or is given
 * a folder. What a damaged file does to it, ends no other one.
 */
import '../support/register-typescript.js';

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

const { crashAt, judge } = await import('./verdict.ts');
const { loadTrace } = await import('./trace.ts');
const { workload } = await import('./workload.ts');

const order = JSON.parse(process.argv[2]);
const { folder, seed, operations: count, isLogged, journal, trace: file, patienceMs } = order;
if (journal !== undefined) {
  const { install } = await import('acebase-ipc-server/client');
  install({ journal });
}
const trace = file === undefined ? [] : loadTrace(file);
const operations = [...workload(seed, count)];

console.log = console.warn = console.error = () => undefined;
process.on('disconnect', () => process.exit(0));
process.on('message', (asked) => void answer(asked));
process.send('ready');

async function answer(asked) {
  const crash = 'home' in asked ? asked : await made(asked);
  if (crash === undefined) {
    process.send({ verdict: undefined });
    return;
  }
  const { home, expectation } = crash;
  const fail = (error) => {
    const verdict = {
      outcome: 'unreadable',
      faults: [`it ends the process: ${String(error?.stack ?? error).slice(0, 300)}`],
    };
    process.send(
      { verdict: { leaked: 0, operation: [...expectation.underWay.values()][0], ...verdict } },
      () => {
        void rm(home, { recursive: true, force: true }).then(() => process.exit(1));
      },
    );
  };
  process.once('uncaughtException', fail);
  const verdict = await judge(home, expectation, isLogged, patienceMs);
  process.off('uncaughtException', fail);
  process.send({ verdict });
}

async function made(point) {
  const crash = crashAt(trace, operations, point);
  if (crash === undefined) return undefined;
  const home = await mkdtemp(join(folder, 'crash-'));
  await crash.disk.writeTo(home);
  return { home, expectation: crash.expectation };
}
