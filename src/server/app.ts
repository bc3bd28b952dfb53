import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { ERRORS, type RefusalCode } from '../errors.js';
import { RETRY_AFTER_S, type RefusalLog, refusalBody } from './refusals.js';
import { addClientsRoute } from './routes/clients.js';
import { RefusedRequest, type RouteContext, type RouteEnvironment } from './routes/context.js';
import { addDashboardRoutes, DASHBOARD_PATHS } from './routes/dashboard.js';
import { addHealthRoute } from './routes/health.js';
import { addLocksRoute } from './routes/locks.js';
import { addMessageRoutes } from './routes/messages.js';
import { addMetricsRoute, type MetricsContext } from './routes/metrics.js';
import { addReadyRoute, type ReadyContext } from './routes/ready.js';
import { addStatusRoutes, type StatusContext } from './routes/status.js';
import { parseTarget } from './target.js';

/** What the HTTP side of the server works with. */
export interface AppContext
  extends RouteContext,
    StatusContext,
    MetricsContext,
    Omit<ReadyContext, 'overview'> {
  readonly refusals: RefusalLog;
  /** An endpoint failed by an error of ours. */
  onError(error: unknown): void;
}

/** How long a browser may remember that an origin is allowed, in seconds. */
const PREFLIGHT_MAX_AGE_S = 600;

/** The methods of the endpoints. */
function methodsOf({
  servesLargeMessages,
}: RouteContext): readonly (readonly [path: string, methods: string])[] {
  return [
    ...DASHBOARD_PATHS.map((path) => [path, 'GET, HEAD'] as const),
    ['/health', 'GET, HEAD'],
    ['/ready', 'GET, HEAD'],
    ['/metrics', 'GET, HEAD'],
    ['/status', 'GET, HEAD'],
    ['/status/stream', 'GET'],
    ['/:database/clients', 'GET, HEAD'],
    ['/:database/locks', 'GET, HEAD'],
    ['/:database/send', 'POST'],
    ...(servesLargeMessages ? ([['/:database/receive', 'GET']] as const) : []),
  ];
}

/** Answers the requests that are no upgrades. To be registered as the `request` listener of an HTTP server. */
export function createRequestListener(
  settings: AppContext,
): (request: IncomingMessage, response: ServerResponse) => void {
  const app = createApp(settings);
  return (request, response) => {
    const listener = getRequestListener(app.fetch, {
      overrideGlobalObjects: false,
      // Called for a request line and a Host header that make no URL; the endpoints' errors are seen to below.
      errorHandler: () => refuse(request, settings, 'IPC_REFUSED_MALFORMED_HTTP', { Connection: 'close' }),
    });
    void listener(request, response);
  };
}

/** The endpoints on the port of the WebSocket connections (docs/PROTOCOL.md, section 4). */
function createApp(settings: AppContext): Hono<RouteEnvironment> {
  const app = new Hono<RouteEnvironment>();
  app.use(async (context, next) => {
    const { headers, socket } = context.env.incoming;
    const refusal = settings.gatekeeper.checkSource({ headers, isSecure: 'encrypted' in socket });
    if (refusal !== undefined) throw new RefusedRequest(refusal);
    if (headers.origin !== undefined && headers['access-control-request-method'] !== undefined) {
      context.res = preflightResponse();
    } else {
      await next();
    }
    context.header('Cache-Control', 'no-store');
    if (headers.origin === undefined) return;
    // A page of an allowed origin may not only ask but also read the answer.
    context.header('Access-Control-Allow-Origin', headers.origin);
    context.header('Vary', 'Origin');
  });
  addDashboardRoutes(app);
  addHealthRoute(app);
  addReadyRoute(app, settings);
  addMetricsRoute(app, settings);
  addStatusRoutes(app, settings);
  addClientsRoute(app, settings);
  addLocksRoute(app, settings);
  addMessageRoutes(app, settings);
  app.all('/:database/connect', () => {
    throw new RefusedRequest('IPC_REFUSED_NO_UPGRADE', { Upgrade: 'websocket' });
  });
  for (const [path, methods] of methodsOf(settings)) {
    app.all(path, () => {
      throw new RefusedRequest('IPC_REFUSED_METHOD', { Allow: methods });
    });
  }
  app.notFound((context) => refuse(context.env.incoming, settings, 'IPC_REFUSED_PATH'));
  app.onError((error, context) => {
    if (error instanceof RefusedRequest)
      return refuse(context.env.incoming, settings, error.code, error.headers);
    settings.onError(error);
    return context.json({ message: 'internal error' }, 500);
  });
  return app;
}

function preflightResponse(): Response {
  const headers = {
    'Access-Control-Allow-Methods': 'GET, POST',
    'Access-Control-Allow-Headers': 'Authorization, Content-Type',
    'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_S),
  };
  return new Response(null, { status: 204, headers });
}

function refuse(
  incoming: IncomingMessage,
  { refusals }: AppContext,
  code: RefusalCode,
  special: Readonly<Record<string, string>> = {},
): Response {
  const { remoteAddress: address = 'unknown', remotePort: port } = incoming.socket;
  refusals.record({ code, address, port, path: parseTarget(incoming.url ?? '').path });
  const { status } = ERRORS[code];
  const headers: Record<string, string> = { 'Content-Type': 'application/json', ...special };
  if (status === 503) headers['Retry-After'] = String(RETRY_AFTER_S);
  // What is left of a body is not read: the connection cannot be used again.
  if (hasBody(incoming) && !incoming.complete) headers['Connection'] = 'close';
  return new Response(refusalBody(code), { status, headers });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
