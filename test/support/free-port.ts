import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Ports that no system gives to who asks for any: others that run beside a test take none of these before it does. Linux gives those from 32,768
 * on, others from 49,152.
 */
const FIRST = 10_000;
const LAST = 32_767;

/** A port of this machine on which nobody listens, for who must be told it before somebody does. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (await isFree(port)) return port;
  }
}

/** As many of them, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isListening = await new Promise<boolean>((resolve) => {
    server.once('listening', () => resolve(true)).once('error', () => resolve(false));
    server.listen(port, 'localhost');
  });
  if (!isListening) return false;
  server.close();
  await once(server, 'close');
  return true;
}
