import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../support/free-port.js';
import { removeDirectory, temporaryDirectory } from '../support/temporary-directory.js';
import { eventually, within } from '../support/waiting.js';

const primary = fileURLToPath(new URL('../support/busy-primary.cjs', import.meta.url));

it('a process that ends leaves no connection behind that its busy supervisor hands to it', async () => {
  const folder = await temporaryDirectory('supervisor');
  onTestFinished(() => removeDirectory(folder));
  const at = (name: string): string => join(folder, name);
  const port = await freePort();
  const supervisor = fork(primary, [String(port), folder]);
  onTestFinished(async () => {
    const exited = once(supervisor, 'exit');
    supervisor.disconnect();
    await exited;
  });
  const says = async (word: string): Promise<void> => {
    for (;;) if ((await once(supervisor, 'message'))[0] === word) return;
  };
  await says('ready');
  const busy = says('busy');
  supervisor.send('be busy');
  await busy;
  // The connections wait in the system: two, of which each process would get one.
  const answers = [ask(port), ask(port)];
  await Promise.all(answers.map(({ connected }) => connected));
  writeFileSync(at('stop'), '');
  await eventually(() => existsSync(at('ended')));
  writeFileSync(at('go on'), '');
  const answered = Promise.all(answers.map(({ answer }) => answer));
  expect(await within(20_000, () => 'a client got no answer', answered)).toEqual(['second', 'second']);
});

function ask(port: number): { readonly connected: Promise<unknown>; readonly answer: Promise<string> } {
  const asked = request({ port, host: '127.0.0.1', agent: false });
  onTestFinished(() => void asked.destroy());
  const connected = once(asked, 'socket').then(([socket]) => once(socket, 'connect'));
  const answer = once(asked, 'response').then(async ([response]) => {
    let text = '';
    for await (const part of response) text += part;
    return text;
  });
  asked.end();
  return { connected, answer };
}
