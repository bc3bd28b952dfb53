import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { Pm2 } from '../../support/pm2.js';
import { eventually } from '../../support/waiting.js';

const program = fileURLToPath(new URL('../../support/says-client.cjs', import.meta.url));
const register = fileURLToPath(new URL('../../../dist/register.js', import.meta.url));

it.each([
  ['fork', []],
  ['cluster', ['-i', '1']],
])('pm2 hands the flag to a program in %s mode', async (_mode, flags) => {
  const pm2 = await Pm2.create(program, {});
  onTestFinished(() => pm2.end());
  await pm2.run('start', program, ...flags, '--node-args', `--import ${register}`);
  const said = await eventually(async () => /client: \w+/.exec(await pm2.output())?.[0] ?? false);
  expect(said).toBe('client: true');
});
