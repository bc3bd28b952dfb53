import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runCommand } from '../support/command.js';
import { freePorts } from '../support/free-port.js';
import { DatabaseClient, HttpLoad } from '../support/http-load.js';
import { Pm2 } from '../support/pm2.js';
import { userProject } from '../support/user-project.js';
import { eventually } from '../support/waiting.js';

/** The longest time without an acknowledged write, in milliseconds. */
function watchPauses(load: HttpLoad): () => number {
  let last = performance.now();
  let longest = 0;
  let count = load.acknowledged.all.length;
  const timer = setInterval(() => {
    const now = performance.now();
    if (load.acknowledged.all.length > count) {
      count = load.acknowledged.all.length;
      last = now;
    }
    longest = Math.max(longest, now - last);
  }, 5);
  onTestFinished(() => clearInterval(timer));
  return () => Math.round(longest);
}

interface LogLine {
  readonly msg: string;
}

/** What the IPC servers have logged. */
async function serverLog(pm2: Pm2): Promise<readonly LogLine[]> {
  const lines = (await pm2.output('ipc-server')).split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as LogLine);
}

// pm2 replaces the IPC server and the master at one moment, and then the others two by two.
it.each([
  ['the server runs the master', []],
  ['the master is a process of its own', ['--dedicated-master']],
])(
  '`pm2 reload all` of the files of init fails no write, and replaces every process once: %s',
  async (_, flags) => {
    const { folder, remove } = await userProject('commonjs', ['acebase', 'acebase-server', 'ws']);
    onTestFinished(remove);
    expect(await runCommand(['init', 'pm2', 'shop', ...flags], { folder })).toMatchObject({ code: 0 });
    // On a busy machine a process may take longer to start; pm2 would end the old one all the same.
    const ecosystem = join(folder, 'ecosystem.config.js');
    const patient = (await readFile(ecosystem, 'utf8')).replace(
      /listen_timeout: [\d_]+/,
      'listen_timeout: 60_000',
    );
    await writeFile(ecosystem, patient);
    const [ipcPort = 0, httpPort = 0] = await freePorts(2);
    const env = { HTTP_PORT: String(httpPort), ACEBASE_IPC_SERVER_PORT: String(ipcPort), NODE_PATH: '' };
    const pm2 = await Pm2.create(ecosystem, env);
    onTestFinished(() => pm2.end());
    await pm2.start();
    const client = (keepAlive: boolean) =>
      new DatabaseClient(`http://localhost:${httpPort}`, 'shop', { keepAlive });
    await eventually(
      () =>
        client(false)
          .set('probe', 1)
          .then(() => true),
      { timeout: 60_000 },
    );
    for (let round = 1; round <= 2; round++) {
      const load = new HttpLoad(
        `round${round}`,
        [true, true, false, false].map((keepAlive) => client(keepAlive)),
      );
      const longestPause = watchPauses(load);
      const before = await pm2.processes();
      const logged = (await serverLog(pm2)).length;
      await load.progress(20);
      await pm2.run('reload', 'all');
      await load.progress(20);
      await load.stop();
      const after = await pm2.processes();
      const told = `longest pause ${longestPause()} ms\n${await pm2.log()}`;
      expect(load.failures, told).toEqual([]);
      expect(
        after.map(({ restarts }) => restarts),
        told,
      ).toEqual(before.map(({ restarts }) => restarts + 1));
      for (const { pid } of before) expect(after.map((it) => it.pid)).not.toContain(pid);
      expect(
        (await pm2.exits()).filter(({ code }) => code !== 0),
        told,
      ).toEqual([]);
      // The new server was there before the old one was asked to stop: what that pauses shortly, it would pause for 4 s.
      const steps = (await serverLog(pm2)).slice(logged).flatMap(({ msg }) => {
        const [step] = /^(?:the port is in use|stopping|listening)/.exec(msg) ?? [];
        return step ?? [];
      });
      expect(steps, told).toEqual(['the port is in use', 'stopping', 'listening']);
      console.log(
        `pm2 reload all, round ${round}: the longest time without a write was ${longestPause()} ms`,
      );
    }
  },
  300_000,
);
