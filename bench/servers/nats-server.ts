import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import type { StartedServer } from './started-server.js';

/** Whether this machine has a `nats-server`. */
export function hasNatsServer(): boolean {
  return spawnSync('nats-server', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Starts it, as it comes. */
export async function startNatsServer(): Promise<StartedServer> {
  const port = await freePort();
  const child = spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(port)], { stdio: 'ignore' });
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  if (child.pid === undefined) throw new Error('nats-server was not started');
  const { pid } = child;
  const ended = once(child, 'exit').then(() => process.off('exit', endWithUs));
  await listening(port, Date.now() + 10_000);
  return {
    port,
    pid,
    costs: async () => undefined,
    async end() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listening(port: number, deadline: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
    ]);
    socket.destroy();
    if (isOpen) return;
    if (Date.now() > deadline) throw new Error('nats-server does not listen');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
