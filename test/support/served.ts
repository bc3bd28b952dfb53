import { expect, onTestFinished } from 'vitest';
import { AceBaseIPCServer, type ServerOptions } from '../../src/index.js';
import { CollectedLog } from './collected-log.js';
import { Conversation } from './conversation.js';
import { ServerProcess } from './server-process.js';

/** A server in this process, and what it logs. */
export interface Served {
  readonly server: AceBaseIPCServer;
  readonly log: CollectedLog;
  readonly port: number;
}

/** Starts a server on a free port, which is stopped when the test is over. */
export async function serve(options: ServerOptions = {}): Promise<Served> {
  const log = new CollectedLog();
  const server = new AceBaseIPCServer({ port: 0, stopTimeout: 0, ...options }, { logger: log });
  onTestFinished(() => server.stop());
  await server.start();
  return { server, log, port: server.address?.port ?? 0 };
}

/** {@link Served}, and two peers in the middle of a conversation. */
export interface Scene extends Served {
  readonly conversation: Conversation;
}

/**
 * Has `attack` done to a server on which two peers talk to each other, and makes sure that they do not notice.
 *
 * @returns what `attack` gave
 */
export async function unnoticed<T>(options: ServerOptions, attack: (scene: Scene) => Promise<T>): Promise<T> {
  const served = await serve(options);
  const token = typeof options.token === 'string' ? { token: options.token } : {};
  const conversation = await Conversation.start({
    port: served.port,
    secure: options.ssl !== undefined,
    ...token,
  });
  const result = await attack({ ...served, conversation });
  await conversation.finish();
  return result;
}

/** {@link unnoticed} for a server in a process of its own. Its options have a token, `sesame`. */
export async function unnoticedByProcess<T>(
  options: Readonly<Record<string, unknown>>,
  attack: (server: ServerProcess, conversation: Conversation) => Promise<T>,
): Promise<T> {
  const server = await ServerProcess.start({ options: { token: 'sesame', logLevel: 'trace', ...options } });
  onTestFinished(() => void server.stop('SIGKILL'));
  const conversation = await Conversation.start({ port: server.port, token: 'sesame' });
  const result = await attack(server, conversation);
  await conversation.finish();
  // It lives, and ends as it should.
  expect(await server.stop(), server.describe()).toEqual({ code: 0, signal: null });
  return result;
}
