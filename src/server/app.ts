import { type Context, Hono } from 'hono';
import { ERRORS, type RefusalCode } from '../errors.js';
import { type RefusalLog, refusalBody } from './refusals.js';
import { addClientsRoute } from './routes/clients.js';
import { RefusedRequest, type RouteContext, type RouteEnvironment } from './routes/context.js';
import { addHealthRoute } from './routes/health.js';
import { addMessageRoutes } from './routes/messages.js';
import { parseTarget } from './target.js';

/** What the HTTP side of the server works with. */
export interface AppContext extends RouteContext {
  readonly refusals: RefusalLog;
  /** An endpoint failed by an error of ours. */
  onError(error: unknown): void;
}

/** The endpoints on the port of the WebSocket connections (docs/PROTOCOL.md, section 4). */
export function createApp(settings: AppContext): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>();
  app.use(async (context, next) => {
    const { headers, socket } = context.env.incoming;
    const refusal = settings.gatekeeper.checkSource({ headers, isSecure: 'encrypted' in socket });
    if (refusal !== undefined) throw new RefusedRequest(refusal);
    await next();
    context.header('Cache-Control', 'no-store');
  });
  addHealthRoute(app);
  addClientsRoute(app, settings);
  addMessageRoutes(app, settings);
  app.all('/:database/connect', () => {
    throw new RefusedRequest('IPC_REFUSED_NO_UPGRADE');
  });
  app.notFound((context) => refuse(context, settings, 'IPC_REFUSED_PATH'));
  app.onError((error, context) => {
    if (error instanceof RefusedRequest) return refuse(context, settings, error.code);
    settings.onError(error);
    return context.json({ message: 'internal error' }, 500);
  });
  return app;
}

function refuse(context: Context<RouteEnvironment>, { refusals }: AppContext, code: RefusalCode): Response {
  const { incoming } = context.env;
  const { remoteAddress: address = 'unknown', remotePort: port } = incoming.socket;
  refusals.record({ code, address, port, path: parseTarget(incoming.url ?? '').path });
  const { status } = ERRORS[code];
  const headers: Record<string, string> = { 'Content-Type': 'application/json' };
  if (status === 426) headers['Upgrade'] = 'websocket';
  // What is left of a body is not read: the connection cannot be used again.
  if (status === 413 || status === 401) headers['Connection'] = 'close';
  return context.body(refusalBody(code), status, headers);
}
