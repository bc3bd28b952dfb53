import type { IncomingHttpHeaders } from 'node:http';
import type { RefusalCode } from '../errors.js';
import type { ManagedFiles } from '../managed-masters/managed-masters.js';
import { MASTER_ID } from '../protocol/frames.js';
import { type ClientAnnouncement, parseAnnouncement } from '../protocol/session.js';
import { checkHandshake } from '../websocket/handshake.js';
import { type Authentication, isDatabaseName, isPeerId, type Presented } from './authentication.js';
import { parseTarget, queryParameter } from './target.js';

/** The head of a request, as far as it decides who may pass. */
export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
  /** Whether it came over TLS. */
  readonly isSecure: boolean;
}

/** Who may pass, and where to. */
export type Admission =
  | {
      readonly isAdmitted: true;
      readonly database: string;
      readonly peerId: string;
      readonly accept: string;
      readonly client: ClientAnnouncement | undefined;
      /** Whether it is the process that this server has started as the master of that database. */
      readonly isManagedMaster: boolean;
    }
  | { readonly isAdmitted: false; readonly code: RefusalCode; readonly detail?: string };

/** The major version of the IPC protocol that this server speaks [PROTOCOL-2.2]. */
const PROTOCOL_MAJOR = '1';

/**
 * Checks requests, before anything else is done with them: by their head, and what it was given.
 *
 * The origin and the host come first: a web page that has no business here learns nothing, not even names.
 */
export class Gatekeeper {
  #authentication: Authentication;
  readonly #managed: Pick<ManagedFiles, 'has' | 'lacksLog' | 'secretFits'>;

  /** @param managed the masters that this server runs itself: each has a secret, which no reload takes away */
  constructor(
    authentication: Authentication,
    managed: Pick<ManagedFiles, 'has' | 'lacksLog' | 'secretFits'>,
  ) {
    this.#authentication = authentication;
    this.#managed = managed;
  }

  /** From now on requests are checked by this. Whoever is in stays in. */
  replace(authentication: Authentication): void {
    this.#authentication = authentication;
  }

  /** What every request must pass. @returns why it does not, or `undefined` */
  checkSource(head: Pick<RequestHead, 'headers' | 'isSecure'>): RefusalCode | undefined {
    const { origin, host } = head.headers;
    if (!this.#authentication.checkOrigin(origin, host, head.isSecure)) return 'IPC_REFUSED_ORIGIN';
    if (!this.#authentication.checkHost(host)) return 'IPC_REFUSED_HOST';
    return undefined;
  }

  /** Whether a request for an endpoint of that database has the token for it. */
  hasToken(database: string, query: string, headers: IncomingHttpHeaders): boolean {
    if (this.#managed.secretFits(database, headers.authorization)) return true;
    return (
      isDatabaseName(database) &&
      this.#authentication.checkToken(database, presentedBy(query, headers)) &&
      this.#authentication.isDatabaseAllowed(database)
    );
  }

  /** Whether a request has the token of the endpoints that see everything. */
  hasAdminToken(query: string, headers: IncomingHttpHeaders): boolean {
    return this.#authentication.checkAdminToken(presentedBy(query, headers));
  }

  /** Which databases a request may see; `undefined` if its token opens none. */
  sightOf(query: string, headers: IncomingHttpHeaders): ((database: string) => boolean) | undefined {
    return this.#authentication.sightOf(presentedBy(query, headers));
  }

  /** Checks an upgrade request [PROTOCOL-2.1 to 2.6]. */
  admit(head: RequestHead): Admission {
    const source = this.checkSource(head);
    if (source !== undefined) return refused(source);
    const { database, endpoint, query } = parseTarget(head.url);
    if (database === undefined || endpoint !== 'connect') return refused('IPC_REFUSED_PATH');
    const handshake = checkHandshake(head);
    if (!handshake.ok) {
      if (handshake.reason === 'no-upgrade') return refused('IPC_REFUSED_NO_UPGRADE');
      return { isAdmitted: false, code: 'IPC_REFUSED_HANDSHAKE', detail: handshake.message };
    }
    if (!isDatabaseName(database)) return refused('IPC_REFUSED_DATABASE_NAME');
    const peerId = queryParameter(query, 'id');
    const isManagedMaster =
      peerId === MASTER_ID && this.#managed.secretFits(database, head.headers.authorization);
    const refusal = isManagedMaster ? undefined : this.#checkAccess(database, peerId, query, head.headers);
    if (refusal !== undefined) return refused(refusal);
    if (queryParameter(query, 'v')?.split('.')[0] !== PROTOCOL_MAJOR) return refused('IPC_REFUSED_VERSION');
    if (peerId === undefined || !isPeerId(peerId)) return refused('IPC_REFUSED_PEER_ID');
    const client = parseAnnouncement((name) => queryParameter(query, name));
    return { isAdmitted: true, database, peerId, accept: handshake.accept, client, isManagedMaster };
  }

  /** Whether whoever is not the master that this server runs may enter a database [PROTOCOL-9.8]. @returns why not, or `undefined` */
  #checkAccess(
    database: string,
    peerId: string | undefined,
    query: string,
    headers: IncomingHttpHeaders,
  ): RefusalCode | undefined {
    if (!this.#authentication.checkToken(database, presentedBy(query, headers))) return 'IPC_REFUSED_TOKEN';
    if (!this.#authentication.isDatabaseAllowed(database)) return 'IPC_REFUSED_DATABASE';
    if (peerId === MASTER_ID && this.#managed.has(database)) return 'IPC_REFUSED_MANAGED_MASTER';
    if (this.#managed.lacksLog(database)) return 'IPC_REFUSED_NO_TRANSACTION_LOG';
    return undefined;
  }
}

/** What a request shows as its token. */
function presentedBy(query: string, { authorization }: IncomingHttpHeaders): Presented {
  return authorization === undefined ? { query } : { query, authorization };
}

function refused(code: RefusalCode): Admission {
  return { isAdmitted: false, code };
}
