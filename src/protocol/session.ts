/**
 * Sessions: what clients of this package say of themselves, beyond what stock clients do (docs/PROTOCOL.md, section 14).
 *
 * A session is one run of one client at one database. Both ends count the frames of it; when its line breaks, each tells
 * the other how many it has, and sends the rest again.
 */

import { CLAIM, decode, encode, READY, SERVER_ID, TURN } from './frames.js';
import { jsonOf, type RecordAddress } from './messages.js';

/** What a client may be able to do; words that are not known are ignored [PROTOCOL-14.1]. */
export const CLIENT_ABILITIES = [
  'resume',
  'ready',
  'no-echo',
  'waits',
  'identify',
  'turn',
  'slice',
  'journal',
] as const;

/** One ability of a client. */
export type ClientAbility = (typeof CLIENT_ABILITIES)[number];

/** What a client says of itself when it connects [PROTOCOL-14.1]. */
export interface ClientAnnouncement {
  /** Its name and version, such as `acebase-ipc-server/2.1.0`, for people to read. */
  readonly name: string;
  readonly abilities: ReadonlySet<ClientAbility>;
  /** The id of its session, random, of its own choice. */
  readonly session: string;
  /** Frames that it has received in this session; `undefined` if this is its first connection. */
  readonly received: number | undefined;
  /** Which session of which server that counts for, as the last `welcome:` said. */
  readonly since?: number | undefined;
  /** Which run of which server that was. */
  readonly server?: string | undefined;
  /** Milliseconds for which those who reach no server may use what the last ones gave them: eleven eighths of their lease. */
  readonly grace?: number | undefined;
  /**
   * Since when its folder has been that of the database, as the server told it that accepted it first [PROTOCOL-14.9];
   * `undefined` if none has.
   */
  readonly folderSince?: number | undefined;
  /** Whether the journal is in force, as far as it knows [PROTOCOL-16.1]. */
  readonly isJournalOn?: boolean;
  /** How many milliseconds ago a server told it that there is another master, or kept it waiting as if [PROTOCOL-9.2]; `undefined` if none did. */
  readonly rival?: number | undefined;
  /** Whether another process seems to have the folder of this master in use [PROTOCOL-9.2]. */
  readonly isFolderInUse?: boolean;
}

/** What the server tells such a client in its `welcome:` [PROTOCOL-14.2]. */
export interface SessionWelcome {
  /** Whether the session goes on where it was. */
  readonly resumed: boolean;
  /** When the server began this session: tells it from those of other servers. Milliseconds since 1970. */
  readonly since: number;
  /** Frames that the server has received in this session. */
  readonly received: number;
  /** Which run of which server that is: what the client says at the next one. */
  readonly server: string;
  /** Milliseconds for which the server waits for a peer whose line broke: `reconnectGrace`. */
  readonly grace: number;
  /**
   * Milliseconds for which the client may use what it holds without an answer to a ping of its own [PROTOCOL-14.11]; left out if
   * the server waits for nobody.
   */
  readonly lease?: number;
  /** Milliseconds for which the operations of the client may wait for the server before they fail: `masterTimeout`. */
  readonly patience?: number;
  /** Whether the server wants to know when a master wants its turn [PROTOCOL-14.10]. */
  readonly turns?: true;
  /** Milliseconds after its grant for which a lock for writing may serve one transaction after the other [PROTOCOL-14.8]. */
  readonly slice?: number;
  /** False if the client is not to take part before it is sent `accepted` [PROTOCOL-14.9]. */
  readonly accepted?: false;
  /** Since when the folder of those who take part has been that of the database: milliseconds since 1970. */
  readonly folderSince?: number;
  /** Whether the journal is in force [PROTOCOL-16.2]; `null` if the client is to go on as it was. */
  readonly journal?: boolean | null;
  /** Of the master of the database, where this server runs it itself [PROTOCOL-14.14]. */
  readonly managed?: ManagedMasterFacts;
}

/** What workers must know of a master that the server runs itself. */
export interface ManagedMasterFacts {
  /** Whether it keeps a transaction log. */
  readonly log: boolean;
  /** Milliseconds after which a lock expires at it: AceBase's `storage.lockTimeout`. */
  readonly lockTimeout: number;
}

/** A lock that a client says it holds [PROTOCOL-14.6]. */
export interface ClaimedLock {
  readonly id: number;
  readonly tid: string;
  readonly path: string;
  readonly write: boolean;
  readonly comment: string;
}

/** What a client tells a new server of the time before [PROTOCOL-14.6]. */
export interface Claim {
  readonly held: readonly ClaimedLock[];
  /** The ids of the others that were there. */
  readonly peers: readonly string[];
  /** Where the root is: nobody else has moved it while those locks are held. Left out if none is. */
  readonly root?: RecordAddress | undefined;
}

/** The most locks that one client may claim. */
export const MAX_CLAIMED_LOCKS = 10_000;

/** The characters of the longest id of a peer (docs/PROTOCOL.md, section 2.3). */
const MAX_PEER_ID_LENGTH = 64;

/** The longest `grace` that counts, in milliseconds: no server has a longer one. */
export const LONGEST_GRACE_MS = 600_000;

/** The bytes of the longest claim. */
const MAX_CLAIM_BYTES = 4 * 1024 * 1024;

/** The bytes of the longest address behind `ready:`. */
const MAX_ADDRESS_BYTES = 64;

/** The bytes of the longest word behind `turn:`. */
const MAX_TURN_WORD = 'wanted'.length;

/** One session, as the broker keeps it. */
export class Session {
  readonly client: ClientAnnouncement;
  readonly since: number;
  /** Frames that came from the client. */
  received = 0;
  /** Whether it told which locks it holds: it holds no others. */
  hasClaimed = false;
  /** Frames of it that are known to have reached everybody they were for, and the check that is under way. */
  stable = 0;
  check: { readonly count: number; readonly at: number } | undefined;

  /** @param since milliseconds since 1970 */
  constructor(client: ClientAnnouncement, since: number) {
    this.client = client;
    this.since = since;
  }

  /** Whether a client that comes back knows of this session, and not only of one at a server that is gone. */
  isKnownTo({ received, since }: ClientAnnouncement): boolean {
    return received !== undefined && since === this.since;
  }

  /** Its client has never heard of it: the line broke before the welcome was read. */
  beginAgain(): void {
    this.received = 0;
    this.stable = 0;
    this.check = undefined;
  }

  get id(): string {
    return this.client.session;
  }

  /** Whether it is a client that had a session before it came here. */
  get isReturning(): boolean {
    return this.client.received !== undefined;
  }

  can(ability: ClientAbility): boolean {
    return this.client.abilities.has(ability);
  }
}

/** Whether a master has not opened the file yet: it does so only when it was let in [PROTOCOL-14.5]. */
export function hasNotOpened(client: ClientAnnouncement | undefined): boolean {
  return client?.abilities.has('waits') === true && client.received === undefined;
}

/** `locks:{…}`, with which a client that comes back to a new server tells the locks that it holds, and who was there [PROTOCOL-14.6]. */
export function claimOf(claim: Claim): string {
  return `locks:${JSON.stringify(claim)}`;
}

/** Reads a claim. @returns `undefined` if it is malformed, or too long */
export function parseClaim(frame: Uint8Array): Claim | undefined {
  if (frame.length > MAX_CLAIM_BYTES) return undefined;
  const parsed = jsonOf(frame.subarray(CLAIM.length));
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { held, peers, root } = parsed as Readonly<Record<string, unknown>>;
  if (!Array.isArray(held) || !Array.isArray(peers) || held.length > MAX_CLAIMED_LOCKS) return undefined;
  const locks = held.map(claimedLock);
  const areSound = locks.every((lock) => lock !== undefined) && peers.every(hasLengthOfId);
  if (!areSound) return undefined;
  return {
    held: locks,
    peers,
    root: recordAddress(root),
  };
}

function recordAddress(value: unknown): RecordAddress | undefined {
  const { pageNr, recordNr } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return isRecordNumber(pageNr) && isRecordNumber(recordNr) ? { pageNr, recordNr } : undefined;
}

function hasLengthOfId(id: unknown): id is string {
  return typeof id === 'string' && id.length <= MAX_PEER_ID_LENGTH;
}

function claimedLock(value: unknown): ClaimedLock | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, tid, path, write, comment } = value as Readonly<Record<string, unknown>>;
  if (!isLockId(id) || typeof tid !== 'string') return undefined;
  const text = (field: unknown): string => (typeof field === 'string' ? field : '');
  return { id, tid, path: text(path), write: write === true, comment: text(comment) };
}

/** Numbers of locks have 15 digits at most. */
function isLockId(id: unknown): id is number {
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id < 1e15;
}

/** `ready`, or `ready:{…}`: the file is open, and, of a master that has just opened it, where it found the root [PROTOCOL-14.5]. */
export function readyWord(root: RecordAddress | undefined): string {
  return root === undefined ? 'ready' : `ready:${JSON.stringify(root)}`;
}

/** Reads such a word. @returns `undefined` if it is malformed; else where the root was, if it says so */
export function parseReady(frame: Uint8Array): { readonly root: RecordAddress | undefined } | undefined {
  if (frame.length === READY.length) return { root: undefined };
  if (frame.length > READY.length + 1 + MAX_ADDRESS_BYTES) return undefined;
  const root = recordAddress(jsonOf(frame.subarray(READY.length + 1)));
  return root === undefined ? undefined : { root };
}

/** AceBase writes the number of a page in 4 bytes, that of a record in 2. */
function isRecordNumber(number: unknown): number is number {
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 0xffff_ffff;
}

/** `turn:wanted`, or `turn:over`: whether transactions of the master wait for the lock of the workers [PROTOCOL-14.10]. */
export function turnWord(isWanted: boolean): string {
  return isWanted ? 'turn:wanted' : 'turn:over';
}

/** Reads such a word. @returns `undefined` if it is malformed */
export function parseTurn(frame: Uint8Array): boolean | undefined {
  const word = decode(frame.subarray(TURN.length, TURN.length + MAX_TURN_WORD));
  if (frame.length > TURN.length + MAX_TURN_WORD) return undefined;
  return word === 'wanted' ? true : word === 'over' ? false : undefined;
}

/** `stable:<n>`: the first n frames of this client have reached everybody they were for [PROTOCOL-14.7]. */
export function stable(count: number): Uint8Array {
  return encode(`stable:${count}`);
}

/** `yield:<number>`: others wait for the end of that lock for writing; no further transaction is to begin under it [PROTOCOL-14.8]. */
export function yieldWord(lockId: number): Uint8Array {
  return encode(`yield:${lockId}`);
}

/** Tells a client that keeps a journal whether that is in force, and may ask it to empty the journal, so that others can be let in [PROTOCOL-16.3, 16.4]. */
export function journalMessage(isOn: boolean, isToLook = false): Uint8Array {
  const data = isToLook ? { on: isOn, look: true } : { on: isOn };
  return encode(JSON.stringify({ type: 'journal', from: SERVER_ID, data }));
}

/** Tells such a client to forget what it knows of the file, and to read it again [PROTOCOL-16.5]. */
export const REREAD = encode(JSON.stringify({ type: 'reread', from: SERVER_ID }));

/** Milliseconds after its grant for which a lock for writing may serve one transaction of its holder after the other. */
const SLICE_MS = 20;

/** What a welcome says of the database. */
export interface WelcomeFacts {
  readonly resumed: boolean;
  readonly isAccepted: boolean;
  readonly folderSince: number;
  /** Whether the journal is in force; `undefined` if that is not known, or does not concern the client. */
  readonly journal: boolean | undefined;
  /** Of the master that the server runs; `undefined` if it runs none. */
  readonly managed: Pick<ManagedMasterFacts, 'log'> | undefined;
  /** Which run of which server that is. */
  readonly server: string;
}

/** What a welcome says of the options of the server. Milliseconds but for `maxPayload`, which is UTF-16 units. */
export interface WelcomeLimits {
  readonly maxPayload: number;
  readonly reconnectGrace: number;
  readonly lease: number;
  readonly masterTimeout: number;
  readonly lockTimeout: number;
}

/** The welcome of a client that has a session [PROTOCOL-14.2]. */
export function sessionWelcome(
  session: Session,
  { resumed, isAccepted, folderSince, journal, managed, server }: WelcomeFacts,
  { maxPayload, reconnectGrace: grace, lease, masterTimeout: patience, lockTimeout }: WelcomeLimits,
): Uint8Array {
  const { since, received } = session;
  const welcome: SessionWelcome = {
    resumed,
    since,
    received,
    server,
    grace,
    ...(lease > 0 ? { lease, patience } : undefined),
    ...(session.can('identify') ? { folderSince } : undefined),
    ...(session.can('turn') ? { turns: true } : undefined),
    ...(session.can('slice') ? { slice: SLICE_MS } : undefined),
    ...(session.can('journal') ? { journal: journal ?? null } : undefined),
    ...(managed === undefined ? undefined : { managed: { ...managed, lockTimeout } }),
    ...(isAccepted ? undefined : { accepted: false }),
  };
  return encode(`welcome:${JSON.stringify({ maxPayload, session: welcome })}`);
}

/** The name of a run of a server. */
function serverOf(text: string | undefined): string | undefined {
  return text !== undefined && /^[\w-]{1,64}$/.test(text) ? text : undefined;
}

/** Reads what a client says of itself in the query of its URL; `undefined` if it says nothing [PROTOCOL-14.1]. */
export function parseAnnouncement(
  parameter: (name: string) => string | undefined,
): ClientAnnouncement | undefined {
  const name = parameter('client');
  const session = parameter('session');
  if (name === undefined || session === undefined) return undefined;
  if (!/^[\w.@/+-]{1,64}$/.test(name) || !/^[\w-]{16,64}$/.test(session)) return undefined;
  const words = (parameter('can') ?? '').split(',');
  const numberOf = (text: string | undefined): number | undefined =>
    text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  return {
    name,
    session,
    abilities: new Set(CLIENT_ABILITIES.filter((ability) => words.includes(ability))),
    received: numberOf(parameter('received')),
    since: numberOf(parameter('since')),
    server: serverOf(parameter('server')),
    grace: numberOf(parameter('grace')),
    folderSince: numberOf(parameter('folderSince')),
    isJournalOn: parameter('journal') === 'on',
    rival: numberOf(parameter('rival')),
    isFolderInUse: parameter('other') === '1',
  };
}
