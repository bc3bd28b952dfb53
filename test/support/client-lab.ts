/** The core of our client, with a process and a server that do what a test says. */

import { Client } from '../../src/client/core/client.js';
import type { ClientEvent, ClientSettings } from '../../src/client/core/client-settings.js';
import type {
  FileJournal,
  IPCLock,
  IPCPeer,
  LockDetails,
  LockInfo,
  Message,
  RootAddress,
} from '../../src/client/core/host.js';
import type { LineEvents } from '../../src/client/core/ports.js';
import type { SessionWelcome } from '../../src/protocol/session.js';
import { VirtualClock } from './virtual-clock.js';

/** Time may pass in which no timer is called, as in a process that is stopped; and the wall clock may be set. */
class UnsteadyClock extends VirtualClock {
  stopped = 0;
  setBy = 0;

  override now(): number {
    return super.now() + this.stopped;
  }

  override uptime(): number {
    return super.uptime() + this.stopped;
  }

  override wallTime(): number {
    return super.wallTime() + this.stopped + this.setBy;
  }
}

interface Line {
  readonly events: LineEvents;
  readonly parameters: Readonly<Record<string, string>>;
  readonly sent: string[];
  readonly pings: string[];
  /** Frames and pings, in order. */
  readonly said: string[];
  /** Whether the client has ended it. */
  isClosed: boolean;
}

/** What the process of a test is. */
export interface ClientLabSettings {
  readonly isMaster?: boolean;
  /** What its file says of what is being written. */
  readonly written?: Promise<void>;
  /** What its indexes say of what is being made. */
  readonly built?: Promise<void>;
  /** The characters of the longest frame. */
  readonly maxPayload?: number;
  /** What reading everything again waits for. */
  readonly reopened?: () => Promise<void>;
  /** What each welcome says beside what the test says. */
  readonly session?: Partial<SessionWelcome>;
  /** What its journal finds, each time that it is looked at; without it, it keeps none. */
  readonly journal?: Partial<FileJournal> & Pick<FileJournal, 'isPending' | 'look'>;
  /** How its settings are judged. */
  readonly judge?: ClientSettings['judge'];
}

/** A process of that role, whose server does what the test says. */
export function clientLab({
  isMaster = false,
  written,
  built,
  reopened,
  maxPayload = 1_000,
  session,
  journal,
  judge,
}: ClientLabSettings = {}) {
  const clock = new UnsteadyClock();
  let isBuilt = false;
  void built?.then(() => {
    isBuilt = true;
  });
  const lines: Line[] = [];
  const told: ClientEvent[] = [];
  /** What reading the root waits for. */
  const reading: { until: Promise<unknown> | undefined } = { until: undefined };
  const ipc = {
    id: isMaster ? '[master]' : 'worker',
    masterPeerId: '[master]',
    isMaster,
    peers: [{ id: '[master]' }],
    ourSubscriptions: [],
    _exiting: false,
    _locks: [] as LockInfo[],
    _requests: new Map<
      string,
      { request: Message; resolve: (data: unknown) => void; reject: (error: Error) => void }
    >(),
    emit: () => undefined,
    removePeer: () => undefined,
    sendMessage: (message: Message): void => client.send(message),
    request: (request: Message) =>
      new Promise<unknown>((resolve, reject) => {
        ipc._requests.set(request.id ?? '', { request, resolve, reject });
        client.send(request);
      }),
    handleMessage(message: Message): Promise<unknown> | undefined {
      if (message.type === 'lock-request') return client.lock(message.data as LockDetails);
      const open = message.type.endsWith('result') ? ipc._requests.get(message.id ?? '') : undefined;
      ipc._requests.delete(message.id ?? '');
      open?.resolve(message.data);
      return undefined;
    },
  };
  /** What a master's own lock table was asked for. */
  const asked: { info: LockInfo; grant: () => void }[] = [];
  const masterLock = (request: LockDetails) =>
    new Promise<IPCLock>((resolve) => {
      const info: LockInfo = { tid: request.tid, granted: false, request, lock: null };
      ipc._locks.push(info);
      const lock = {
        tid: request.tid,
        state: 'locked',
        release: async () => void ipc._locks.splice(ipc._locks.indexOf(info), 1),
      } as IPCLock;
      const grant = (): void => {
        Object.assign(info, { granted: true, lock });
        resolve(lock);
      };
      asked.push({ info, grant });
    });
  /** Where the file has its root, and where the process was told that it is, or has read it; and why it cannot be written, if that is so. */
  const header: { root: RootAddress | undefined; believed: RootAddress | undefined; failure?: Error } = {
    root: undefined,
    believed: undefined,
  };
  /** What was done to the file, and to locks. */
  const events: string[] = [];
  let ids = 0;
  const client: Client = new Client({
    ...(judge === undefined ? {} : { judge }),
    ipc: ipc as unknown as IPCPeer,
    journal: journal && { isKept: true, empty: async () => false, ...journal },
    file: {
      lockTimeout: 120_000,
      isOpen: true,
      root: { path: '', pageNr: 0, recordNr: 7 },
      written: () => written,
      invalidateCaches: () => undefined,
      invalidateAllCaches: () => {
        events.push(`all caches, ${ipc._locks.length} locks held`);
        client.send({ type: 'notification', from: ipc.id, data: { type: 'cache.invalidate', path: '' } });
      },
      readRoot: async () => {
        await reading.until;
        return header.root;
      },
      writeRoot: async () => undefined,
      setRoot: async (address, isToBeWritten) => {
        header.believed = address;
        if (isToBeWritten && header.failure !== undefined) throw header.failure;
      },
      readKeys: async () => undefined,
      readIndexes: async () => undefined,
      reopen: async () => {
        await reopened?.();
        events.push('reopened');
      },
      close: () => void events.push('closed'),
    },
    indexes: {
      localized: (message) => message,
      isUnknown: () => false,
      changed: () => undefined,
      built: () => built,
      over: () => (isBuilt ? undefined : built),
      announced: () => undefined,
    },
    log: { warn: () => undefined, error: () => undefined },
    clock,
    random: () => 0.5,
    dial: (parameters, events) => {
      const line: Line = { events, parameters, sent: [], pings: [], said: [], isClosed: false };
      const close = (): void => {
        line.isClosed = true;
      };
      lines.push(line);
      return {
        bytesRead: 0,
        send(text) {
          line.sent.push(text);
          line.said.push(text);
        },
        ping(text) {
          line.pings.push(text);
          line.said.push('a ping');
        },
        flush: () => void line.said.push('flushed'),
        close,
        terminate: close,
      };
    },
    long: { send: async () => ({ kind: 'taken' }), fetch: async () => ({ reason: 'there is none' }) },
    identify: undefined,
    server: 'the test',
    client: 'test/1',
    parameters: {},
    version: '1.0.0',
    classes: {
      PathReference: class {
        readonly path = '';
      },
    },
    createId: () => `id-of-the-test-${++ids}`,
    exitingError: (message) => new Error(message),
    masterLock,
    revoke: ({ lock, request }) => {
      if (lock !== null) Object.assign(lock, { state: 'expired' });
      events.push(`revokes ${request.tid}`);
    },
    has: () => true,
    tell: (event) => told.push(event),
  });
  void client.connect();
  const last = () => lines.at(-1) as Line;
  const settle = () => clock.playUntil(100, () => false);
  const answerPings = (): void => {
    for (const text of last().pings.splice(0)) last().events.ponged(text);
  };
  return {
    reading,
    header,
    clock,
    client,
    ipc,
    last,
    told,
    events,
    asked,
    settle,
    answerPings,
    welcome(resumed: boolean, since: number): void {
      const welcomed = { resumed, since, received: 0, grace: 11_000, ...session };
      last().events.opened();
      last().events.text(`welcome:${JSON.stringify({ maxPayload, session: welcomed })}`);
    },
    breaks: () => last().events.closed({ reason: 'the line broke', code: '' }),
    /** The server does not know a worker any more. */
    refuses: () =>
      last().events.refused({
        status: 409,
        code: 'IPC_REFUSED_PEER_GONE',
        message: 'gone',
        remedy: undefined,
      }),
    /** The frame by which the server grants what was asked for last, for so many milliseconds. */
    grantOf(lasts: number): string {
      const frame = last().sent.findLast((text) => text.includes('"lock-request"')) ?? '';
      const { id, data } = JSON.parse(frame.slice(frame.indexOf(';') + 1)) as { id: string; data: object };
      const granted = { ...data, id: 7, expires: clock.wallTime() + lasts, lasts };
      return JSON.stringify({
        type: 'lock-result',
        id,
        from: '[master]',
        to: ipc.id,
        ok: true,
        data: granted,
      });
    },
    /** Time passes, and the server answers each ping within a second. */
    async pass(milliseconds: number): Promise<void> {
      for (let rest = milliseconds; rest > 0; rest -= 1_000) {
        await clock.playUntil(Math.min(rest, 1_000), () => false);
        answerPings();
      }
    },
  };
}
