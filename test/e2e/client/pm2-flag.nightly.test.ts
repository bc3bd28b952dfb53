import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { Pm2 } from '../../support/pm2.js';
import { eventually } from '../../support/waiting.js';

const program = fileURLToPath(new URL('../../support/says-client.cjs', import.meta.url));
const register = fileURLToPath(new URL('../../../dist/register.js', import.meta.url));

const MODES = [
  ['fork', []],
  ['cluster', ['-i', '1']],
] as const;

it('pm2 hands the flag to a program in fork mode and in cluster mode', async () => {
  const pm2 = await Pm2.create(program, {});
  onTestFinished(() => pm2.end());
  for (const [mode, flags] of MODES) {
    await pm2.run('start', program, '--name', mode, ...flags, '--node-args', `--import ${register}`);
    const said = await eventually(async () => /client: \w+/.exec(await pm2.output(mode))?.[0] ?? false);
    expect(said, mode).toBe('client: true');
  }
});
