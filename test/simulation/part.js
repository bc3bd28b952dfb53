/** Plays every n-th seed of a campaign, in a process of its own, and tells of them in batches. */
import { pathToFileURL } from 'node:url';
import '../support/register-typescript.js';

const { play } = await import('./run.ts');
const { planOf } = await import('./plan.ts');

const { from, seeds, step, source, only } = JSON.parse(process.argv[2]);
const options =
  source === undefined
    ? {}
    : {
        broker: (await load('broker/broker.ts')).Broker,
        client: (await load('client/core/client.ts')).Client,
      };

let batch = [];
for (let seed = from; seed < from + seeds; seed += step) {
  const plan = planOf(seed);
  if (only === 'client' && plan.clients === 'stock') continue;
  if (only === 'no journal' && plan.journals > 0) continue;
  const { violations, writes, failures, torn, lateReads } = await play(plan, options);
  const [violation] = violations;
  const faults = plan.faults.length;
  batch.push({ seed, violation, writes, failed: failures, faults, torn, lateReads });
  if (violation !== undefined || batch.length >= 20) await tell();
}
await tell();
process.disconnect();

function load(file) {
  return import(pathToFileURL(`${source}/${file}`).href);
}

function tell() {
  const seedsPlayed = batch;
  batch = [];
  return new Promise((resolve) => process.send(seedsPlayed, resolve));
}
