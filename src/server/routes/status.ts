import type { Context, Hono } from 'hono';
import { coveredNames } from '../../options/names.js';
import type { StatusBoard } from '../monitoring/status.js';
import type { StatusStreams, Viewer } from '../monitoring/status-streams.js';
import { parseTarget, queryParameter } from '../target.js';
import { authorizeOverview, RefusedRequest, type RouteContext, type RouteEnvironment } from './context.js';

/** What the endpoints work with. */
export interface StatusContext extends Pick<RouteContext, 'gatekeeper'> {
  /** Looks at everything. */
  look(): StatusBoard;
  readonly streams: StatusStreams;
}

/** `GET /status`, and `GET /status/stream`: how everything is, that the token opens [PROTOCOL-4.8]. */
export function addStatusRoutes(app: Hono<RouteEnvironment>, routes: StatusContext): void {
  app.get('/status', (context) => context.json(routes.look().status(sightOf(context, routes))));
  app.get('/status/stream', (context) => {
    // There is nothing to say about a stream that is not read.
    if (context.req.method !== 'GET') throw new RefusedRequest('IPC_REFUSED_METHOD', { Allow: 'GET' });
    const stream = routes.streams.open(viewerOf(context, routes));
    if (stream === undefined) throw new RefusedRequest('IPC_HTTP_TOO_MANY_STREAMS');
    // Without the last one, nginx would collect events until its buffer is full.
    return context.body(stream, 200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
  });
}

/** Who asks. */
function viewerOf(context: Context<RouteEnvironment>, routes: StatusContext): Viewer {
  const { url = '', headers, socket } = context.env.incoming;
  const sees = sightOf(context, routes);
  const isAdmin = routes.gatekeeper.hasAdminToken(parseTarget(url).query, headers);
  return { address: socket.remoteAddress ?? 'unknown', isAdmin, sees };
}

/** The databases that a request may see, and asks for. */
function sightOf(
  context: Context<RouteEnvironment>,
  { gatekeeper }: StatusContext,
): (database: string) => boolean {
  const sees = authorizeOverview(context, gatekeeper);
  const wanted = queryParameter(parseTarget(context.env.incoming.url ?? '').query, 'database');
  if (wanted === undefined || wanted === '') return sees;
  const names = new Set(coveredNames(wanted));
  return (database) => names.has(database) && sees(database);
}
