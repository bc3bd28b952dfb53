/** `npm run chaos:control -- --kills N --seed N`: how often `kill -9` damages the file of AceBase without any IPC. */
import { parseArgs } from 'node:util';
import '../../support/register-typescript.js';

const { control } = await import('./control.ts');

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    writers: { type: 'string', default: '3' },
  },
});
// Processes that were started end with this one, if it ends in the usual way.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

const [kills, seed, writers] = [Number(values.kills), Number(values.seed), Number(values.writers)];
console.log(`Seed ${seed}: one process, no IPC, ${writers} writers, killed ${kills} times.`);
const report = await control({
  kills,
  seed,
  writers,
  onKill(kill, findings) {
    for (const it of findings.slice(0, 5))
      console.log(`  Kill ${kill}: ${it.kind} /${it.path}: ${it.reason}`);
  },
});
const percent = ((100 * report.damaged) / report.kills).toFixed(1);
console.log(`${report.acknowledged} writes acknowledged.`);
console.log(`${report.damaged} of ${report.kills} kills damaged the file (${percent} %).`);
