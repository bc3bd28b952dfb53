import type { IncomingHttpHeaders } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Broker } from '../../broker/broker.js';
import type { TransientMemory } from '../../broker/memory.js';
import type { RefusalCode } from '../../errors.js';
import type { Gatekeeper } from '../gatekeeper.js';
import type { Overview } from '../monitoring/overview.js';
import { LET_IN } from '../request.js';
import { parseTarget } from '../target.js';

/** What hono knows of our requests: Node's own request and response. */
export interface RouteEnvironment {
  Bindings: HttpBindings;
}

/** What the endpoints work with. */
export interface RouteContext {
  readonly broker: Broker;
  readonly overview: Overview;
  readonly gatekeeper: Gatekeeper;
  readonly inboundMemory: TransientMemory;
  /** Bytes of a body of `POST /<database>/send`. */
  readonly maxHttpMessage: number;
  /** Whether `GET /<database>/receive` is served. */
  readonly servesLargeMessages: boolean;
}

/** Ends a request with the status of that error. */
export class RefusedRequest extends Error {
  readonly code: RefusalCode;
  /** Headers of the answer, besides those that every refusal has. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RefusalCode, headers: Readonly<Record<string, string>> = {}) {
    super(code);
    this.code = code;
    this.headers = headers;
  }
}

/**
 * The database that a request is for, and its query.
 *
 * @throws {RefusedRequest} IPC_HTTP_UNAUTHORIZED, if it has not the token for that database; IPC_REFUSED_ORIGIN, if a
 *   page of another origin made the browser ask
 */
export function authorize(
  context: Context<RouteEnvironment>,
  gatekeeper: Gatekeeper,
): { database: string; query: string } {
  const { incoming } = context.env;
  const { database, query } = parseTarget(incoming.url ?? '');
  if (isFromElsewhere(incoming.headers)) throw new RefusedRequest('IPC_REFUSED_ORIGIN');
  if (database === undefined || !gatekeeper.hasToken(database, query, incoming.headers)) {
    throw new RefusedRequest('IPC_HTTP_UNAUTHORIZED');
  }
  incoming.emit(LET_IN);
  return { database, query };
}

/**
 * Which databases a request may see that is for none in particular; `undefined` if its token opens none.
 */
export function sightOf(
  context: Context<RouteEnvironment>,
  gatekeeper: Gatekeeper,
): ((database: string) => boolean) | undefined {
  const { incoming } = context.env;
  return gatekeeper.sightOf(parseTarget(incoming.url ?? '').query, incoming.headers);
}

/**
 * {@link sightOf}, or a refusal.
 *
 * @throws {RefusedRequest} as {@link authorize}
 */
export function authorizeOverview(
  context: Context<RouteEnvironment>,
  gatekeeper: Gatekeeper,
): (database: string) => boolean {
  const { incoming } = context.env;
  if (isFromElsewhere(incoming.headers)) throw new RefusedRequest('IPC_REFUSED_ORIGIN');
  const sees = sightOf(context, gatekeeper);
  if (sees === undefined) throw new RefusedRequest('IPC_HTTP_UNAUTHORIZED');
  incoming.emit(LET_IN);
  return sees;
}

/**
 * Lets a request go on that has the admin token.
 *
 * @throws {RefusedRequest} as {@link authorize}
 */
export function authorizeAdmin(context: Context<RouteEnvironment>, gatekeeper: Gatekeeper): void {
  const { incoming } = context.env;
  if (isFromElsewhere(incoming.headers)) throw new RefusedRequest('IPC_REFUSED_ORIGIN');
  if (!gatekeeper.hasAdminToken(parseTarget(incoming.url ?? '').query, incoming.headers))
    throw new RefusedRequest('IPC_HTTP_UNAUTHORIZED');
  incoming.emit(LET_IN);
}

/**
 * Whether a web page of another origin caused the request. With an `Origin` that was decided before; but images and
 * links are asked for without one. A page cannot read the answer to those, but it could pick up somebody's message.
 */
export function isFromElsewhere({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return origin === undefined && (site === 'cross-site' || site === 'same-site');
}
