import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { Broker } from '../../broker/broker.js';
import type { RefusalCode } from '../../errors.js';
import type { BodyBudget } from '../body.js';
import type { Gatekeeper } from '../gatekeeper.js';
import { parseTarget } from '../target.js';

/** What hono knows of our requests: Node's own request and response. */
export interface RouteEnvironment {
  Bindings: HttpBindings;
}

/** What the endpoints work with. */
export interface RouteContext {
  readonly broker: Broker;
  readonly gatekeeper: Gatekeeper;
  readonly bodyBudget: BodyBudget;
  /** Bytes of a body of `POST /<database>/send`. */
  readonly maxHttpMessage: number;
  /** Whether `GET /<database>/receive` is served. */
  readonly servesLargeMessages: boolean;
}

/** Ends a request with the status of that error. */
export class RefusedRequest extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode) {
    super(code);
    this.code = code;
  }
}

/**
 * The database that a request is for, and its query.
 *
 * @throws {RefusedRequest} IPC_HTTP_UNAUTHORIZED, if it has not the token for that database
 */
export function authorize(
  context: Context<RouteEnvironment>,
  gatekeeper: Gatekeeper,
): { database: string; query: string } {
  const { incoming } = context.env;
  const { database, query } = parseTarget(incoming.url ?? '');
  if (database === undefined || !gatekeeper.hasToken(database, query, incoming.headers)) {
    throw new RefusedRequest('IPC_HTTP_UNAUTHORIZED');
  }
  return { database, query };
}
