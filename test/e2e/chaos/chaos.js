/** `npm run chaos -- --minutes N --seed N`: the campaign of chaos.test.ts, as long as you like, with default settings. */
import { parseArgs } from 'node:util';
import '../../support/register-typescript.js';

const { chaos } = await import('./campaign.ts');
const { faultKinds, usualFaults } = await import('./faults.ts');
const { summary } = await import('./summary.ts');

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: '3' },
    faults: { type: 'string', default: usualFaults.join() },
    // Options of the server, as JSON: {"reconnectGrace": "2s"}
    server: { type: 'string', default: '{}' },
    // All processes have the client of this package.
    client: { type: 'boolean', default: false },
    patience: { type: 'string', default: '50' },
    quiet: { type: 'boolean', default: false },
  },
});
const kinds = values.faults.split(',');
const unknown = kinds.filter((kind) => !faultKinds.includes(kind));
if (unknown.length > 0) {
  console.error(`No such faults: ${unknown.join()}. There are ${faultKinds.join()}.`);
  process.exit(2);
}
// Processes that were started end with this one, if it ends in the usual way.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

console.log(`Seed ${values.seed}: ${values.workers} workers, ${values.minutes} minutes, ${kinds.join(' ')}`);
const startedAt = performance.now();
const report = await chaos({
  seed: Number(values.seed),
  milliseconds: Number(values.minutes) * 60_000,
  workers: Number(values.workers),
  kinds,
  leastWaitMs: 2000,
  mostWaitMs: 6000,
  patienceMs: Number(values.patience) * 1000,
  client: values.client,
  server: JSON.parse(values.server),
  onNews(news) {
    if (!values.quiet) console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${news}`);
  },
});
for (const line of summary(report)) console.log(line);
if (report.findings.length > 0 || report.misread.length > 0) process.exitCode = 1;
