import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { ERRORS } from '../../../src/errors.js';
import { resolveOptions } from '../../../src/options.js';
import { Authentication } from '../../../src/server/authentication.js';
import { Gatekeeper } from '../../../src/server/gatekeeper.js';
import type { HeldLock, LockList, WaitingLock } from '../../../src/server/monitoring/lock-list.js';
import { RefusedRequest, type RouteEnvironment } from '../../../src/server/routes/context.js';
import { addLocksRoute } from '../../../src/server/routes/locks.js';

const common = { tid: 't1', path: 'orders/1', write: true, comment: 'transactNode' };
const held: HeldLock = { ...common, id: 7, holder: 'worker01', heldFor: 1_200, state: 'expired' };
const waiting: WaitingLock = {
  ...common,
  tid: 't2',
  requester: 'worker02',
  waitingFor: 34,
  reason: 'locks of others',
};
const LOCKS: LockList = { root: { state: 'write', heldFor: 1_201 }, held: [held], waiting: [waiting] };
const NONE: LockList = { root: undefined, held: [], waiting: [] };

/** A server that runs no masters itself. */
const noMasters = { has: () => false, lacksLog: () => false, secretFits: () => false };

/** Asks for the locks of a server that has the token `sesame`. */
async function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const app = new Hono<RouteEnvironment>();
  const authentication = new Authentication(resolveOptions({ token: 'sesame' }));
  addLocksRoute(app, {
    gatekeeper: new Gatekeeper(authentication, noMasters),
    overview: { locks: (database) => (database === 'mydb_data' ? LOCKS : NONE) },
  });
  app.onError((error) => {
    if (error instanceof RefusedRequest) return new Response(null, { status: ERRORS[error.code].status });
    throw error;
  });
  const incoming = Object.assign(new EventEmitter(), { url, headers }) as IncomingMessage;
  return app.request(url, { headers }, { incoming, outgoing: {} as ServerResponse });
}

test('tells what the server holds at the master, who holds locks, and who waits for what [PROTOCOL-4.6]', async () => {
  const answer = await ask('/mydb_data/locks?t=sesame');
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual(LOCKS);
});

test('gives empty lists for a database that nobody is connected to', async () =>
  expect(await (await ask('/other_data/locks?t=sesame')).json()).toEqual({
    root: null,
    held: [],
    waiting: [],
  }));

test('wants the token, as for the list of clients', async () => {
  expect((await ask('/mydb_data/locks')).status).toBe(401);
  expect((await ask('/mydb_data/locks?t=barley')).status).toBe(401);
  expect((await ask('/mydb_data/locks', { authorization: 'Bearer sesame' })).status).toBe(200);
});

test('is not for pages of other sites', async () =>
  expect((await ask('/mydb_data/locks?t=sesame', { 'sec-fetch-site': 'cross-site' })).status).toBe(403));
