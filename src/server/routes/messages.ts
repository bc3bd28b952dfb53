import { isUtf8 } from 'node:buffer';
import type { Context, Hono } from 'hono';
import { databaseOf } from '../../options/names.js';
import { readBody } from '../body.js';
import { queryParameter } from '../target.js';
import { authorize, RefusedRequest, type RouteContext, type RouteEnvironment } from './context.js';

/**
 * `POST /<database>/send` [PROTOCOL-4.2], for messages that are longer than `maxPayload`, and, with
 * `largeMessages: 'http'`, `GET /<database>/receive` [PROTOCOL-4.3].
 */
export function addMessageRoutes(app: Hono<RouteEnvironment>, routes: RouteContext): void {
  app.post('/:database/send', (context) => send(context, routes));
  if (!routes.servesLargeMessages) return;
  app.get('/:database/receive', (context) => {
    // To look at a message without taking it is not possible: it is handed out once.
    if (context.req.method !== 'GET') throw new RefusedRequest('IPC_REFUSED_METHOD', { Allow: 'GET' });
    const { database, query } = authorize(context, routes.gatekeeper);
    const peerId = queryParameter(query, 'id') ?? '';
    if (!routes.broker.hasPeer(database, peerId)) throw new RefusedRequest('IPC_HTTP_NO_PEER');
    const message = routes.broker.pickUp(database, peerId, queryParameter(query, 'msg') ?? '');
    if (message === undefined) throw new RefusedRequest('IPC_HTTP_NOT_FOUND');
    return context.body(new Uint8Array(message), 200, { 'Content-Type': 'application/json; charset=utf-8' });
  });
}

async function send(context: Context<RouteEnvironment>, routes: RouteContext): Promise<Response> {
  const { broker, gatekeeper, inboundMemory, maxHttpMessage } = routes;
  const { database, query } = authorize(context, gatekeeper);
  const peerId = queryParameter(query, 'id') ?? '';
  const line = broker.lineOf(database, peerId);
  if (line === undefined) throw new RefusedRequest('IPC_HTTP_NO_PEER');
  const result = await readBody(context.env.incoming, maxHttpMessage, inboundMemory.of(databaseOf(database)));
  switch (result.outcome) {
    case 'too-large':
      throw new RefusedRequest('IPC_HTTP_TOO_LARGE');
    case 'too-busy':
      throw new RefusedRequest('IPC_HTTP_TOO_BUSY');
    case 'aborted':
      return context.body(null, 400);
    case 'complete':
      // It may have left while the body came in; or it is on another line by now, and says the same again there.
      if (broker.lineOf(database, peerId) !== line) throw new RefusedRequest('IPC_HTTP_NO_PEER');
      if (!isUtf8(result.body) || !broker.post(database, peerId, result.body)) {
        throw new RefusedRequest('IPC_HTTP_BAD_MESSAGE');
      }
      return context.text('ok');
  }
}
