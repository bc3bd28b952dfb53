import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Exit, WatchedProcess } from './child-process.js';
import { QUICK_START } from './quick-start.js';
import { Subscription } from './subscription.js';
import { within } from './waiting.js';

/** What AceBase takes as `storage.ipc`. */
export interface IPCSettings {
  readonly host?: string;
  readonly port?: number;
  /** Left out: only with the client of this package. */
  readonly role?: 'master' | 'worker';
  /** With settings for the client of this package only. */
  readonly ssl?: boolean | Readonly<Record<string, unknown>>;
  /** Only for the client of this package. */
  readonly url?: string;
  readonly token?: string;
}

export interface AceBaseProcessOptions {
  /** For messages of failing tests. */
  readonly name: string;
  readonly database: string;
  /** The folder that holds `<database>.acebase`. */
  readonly path: string;
  /** Left out: AceBase by itself, without an IPC server. */
  readonly ipc?: IPCSettings;
  readonly transactions?: { readonly log: boolean };
  /** AceBase's `storage.lockTimeout`, in seconds. */
  readonly lockTimeout?: number;
  /** The directory of the `acebase` package to load. */
  readonly package?: string;
  /** Runs an `acebase-server` of this package on this HTTP port; its database does what is asked for. */
  readonly server?: { readonly package: string; readonly port: number };
  /** Whether it has the client of this package, as a preload: as CommonJS, or, with `import`, as an ES module. */
  readonly client?: boolean | 'import';
  /** What that client is to outlive; as is its default, if nothing is said. */
  readonly journal?: 'off' | 'process' | 'power';
  /** Flags for Node, such as `--require`. */
  readonly execArgv?: readonly string[];
  /** What is run in the place of Node, with the same arguments. */
  readonly execPath?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** How a transaction changes what it reads. */
export type Change = { readonly increment: number } | { readonly append: string };

/** One write, for {@link AceBaseProcess.apply}. */
export type Operation =
  | { readonly command: 'set' | 'update'; readonly path: string; readonly value: unknown }
  | { readonly command: 'remove'; readonly path: string }
  | { readonly command: 'transaction'; readonly path: string; readonly change: Change };

export type Filter = readonly [key: string, operator: string, value: unknown];

export interface QueryResult {
  readonly key: string;
  readonly value: unknown;
}

/** Counts by kind of message: `welcome`, `pong`, `lock-result`, `event`, `root.update`, `fst.allocate`, … */
export interface MessageCounts {
  readonly received: Readonly<Record<string, number>>;
  /** Notifications sent only because one was received end in ` echo`. */
  readonly sent: Readonly<Record<string, number>>;
}

/** What came of a command, and when its process began it and had done it: by {@link machineTime}. */
export interface Timed<T> {
  readonly result: T;
  readonly invokedAt: number;
  readonly returnedAt: number;
}

/** Milliseconds, with fractions, by the clock that all processes of this machine share. It never goes back. */
export function machineTime(nanoseconds: bigint = process.hrtime.bigint()): number {
  return Number(nanoseconds) / 1e6;
}

type FromWorker =
  | { kind: 'ready'; id: string }
  | { kind: 'answer'; number: number; result?: unknown; error?: string }
  | { kind: 'event'; subscription: number; path: string; value: unknown };

const worker = fileURLToPath(new URL('acebase-worker.cjs', import.meta.url));
const newestAceBase = fileURLToPath(new URL('../../node_modules/acebase', import.meta.url));
const chooseJournal = fileURLToPath(new URL('choose-journal.cjs', import.meta.url));
const register = (name: string) => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
const defaultPackage = process.env['ACEBASE_PACKAGE'] ?? newestAceBase;

/** Ends a test that hangs. With a healthy server every command is answered in far less. */
const commandTimeoutMs = 60_000;

/** A real AceBase in a process of its own. */
export class AceBaseProcess {
  readonly #process: WatchedProcess;
  readonly #ready: Promise<string>;
  readonly #open = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  readonly #subscriptions = new Map<number, Subscription>();
  #lastNumber = 0;

  constructor(options: AceBaseProcessOptions) {
    const {
      name,
      execArgv = [],
      execPath = process.execPath,
      env,
      client = false,
      journal,
      ...rest
    } = options;
    const preload =
      client === 'import' ? ['--import', register('register.js')] : ['--require', register('register.cjs')];
    const child = fork(worker, [JSON.stringify({ package: defaultPackage, ...rest })], {
      // A worker is quiet on stdout, and errors go to stderr.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      // Where the client looks for the acebase of its program.
      ...(client !== false && rest.package !== undefined && { cwd: join(rest.package, '../..') }),
      execPath,
      execArgv: [
        ...(client === 'import' || execPath !== process.execPath ? [] : QUICK_START),
        ...(client === false ? [] : preload),
        ...(journal === undefined ? [] : ['--require', chooseJournal]),
        ...execArgv,
      ],
      env: { ...process.env, ...env, ...(journal !== undefined && { JOURNAL: journal }) },
    });
    this.#process = new WatchedProcess(name, child);
    this.#ready = new Promise((resolve) => {
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve(message.id);
        else this.#receive(message);
      });
    });
    void this.#process.exited.then(() => {
      for (const { reject } of this.#open.values()) reject(new Error(`No answer: ${this.describe()}`));
      this.#open.clear();
    });
  }

  get name(): string {
    return this.#process.name;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<Exit> {
    return this.#process.exited;
  }

  /** What it wrote to stderr, its last exception included. */
  get complaints(): string {
    return this.#process.complaints;
  }

  /** Resolves once it has written this to stderr. */
  async untilComplains(pattern: RegExp): Promise<void> {
    await within(
      commandTimeoutMs,
      () => `No complaint like ${pattern}: ${this.describe()}`,
      this.#process.complains(pattern),
    );
  }

  describe(): string {
    return this.#process.describe();
  }

  /** Resolves with its peer id when AceBase says that it is ready. That needs neither the server nor the master. */
  async ready(): Promise<string> {
    const ended = this.exited.then(() =>
      Promise.reject(new Error(`Ended before it was ready: ${this.describe()}`)),
    );
    return within(
      commandTimeoutMs,
      () => `Not ready: ${this.describe()}`,
      Promise.race([this.#ready, ended]),
    );
  }

  set(path: string, value: unknown): Promise<void> {
    return this.command('set', { path, value });
  }

  /** Writes a value, and then keeps its thread busy until that file is there. Rejects if it does not come in time. */
  setAndStandStill(path: string, value: unknown, until: string, milliseconds: number): Promise<void> {
    return this.command('setAndStandStill', { path, value, until, milliseconds });
  }

  update(path: string, value: unknown): Promise<void> {
    return this.command('update', { path, value });
  }

  get<T = unknown>(path: string): Promise<T> {
    return this.command('get', { path });
  }

  exists(path: string): Promise<boolean> {
    return this.command('exists', { path });
  }

  remove(path: string): Promise<void> {
    return this.command('remove', { path });
  }

  /** Runs a transaction and gives the value that it wrote. */
  transaction<T = unknown>(path: string, change: Change): Promise<T> {
    return this.command('transaction', { path, change });
  }

  /** Begins a transaction that never ends, and resolves when this process holds its write lock. */
  hold(path: string): Promise<void> {
    return this.command('hold', { path });
  }

  /** Ends the transaction of {@link AceBaseProcess.hold}: it writes that value. */
  letGo(value: unknown): Promise<void> {
    return this.command('letGo', { value });
  }

  /** Whether it has read an index that it has heard of. */
  hasIndex(path: string, key: string): Promise<boolean> {
    return this.command('hasIndex', { path, key });
  }

  createIndex(path: string, key: string, options: Readonly<Record<string, unknown>> = {}): Promise<void> {
    return this.command('createIndex', { path, key, options });
  }

  query(path: string, filters: readonly Filter[], sort?: string): Promise<readonly QueryResult[]> {
    return this.command('query', { path, filters, sort });
  }

  /** Runs writes one after the other, in one message: for when there are many. */
  apply(operations: readonly Operation[]): Promise<void> {
    return this.command('apply', { operations });
  }

  /** Subscribes to new events. Other processes may not know of it yet: see {@link untilSubscribed}. */
  async subscribe(path: string, event: string): Promise<Subscription> {
    const number = ++this.#lastNumber;
    const subscription = new Subscription({
      describe: () => `${event} of "${path}"; ${this.describe()}`,
      stop: () => this.command('unsubscribe', { subscription: number }),
      timeoutMs: commandTimeoutMs,
    });
    this.#subscriptions.set(number, subscription);
    await this.command('subscribe', { subscription: number, path, event });
    return subscription;
  }

  /** The transaction log, where that is on. */
  mutations(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return this.command('mutations', {});
  }

  /** Resolves when `count` messages of a kind have arrived: `welcome` and `pong`, or the type of a message. */
  untilReceived(kind: string, count = 1): Promise<void> {
    return this.command('untilReceived', { kind, count });
  }

  /** Resolves when `count` messages of a type have been sent. */
  untilSent(kind: string, count = 1): Promise<void> {
    return this.command('untilSent', { kind, count });
  }

  /** Resolves when this process knows that many others. */
  untilPeers(count: number): Promise<void> {
    return this.command('untilPeers', { count });
  }

  /** Resolves when this process knows that others, `count` of them, want to hear of `event` at `path`. */
  untilSubscribed(path: string, event: string, count = 1): Promise<void> {
    return this.command('untilSubscribed', { path, event, count });
  }

  /** Whether it takes part in a cluster at all: versions that have no `ipc` setting ignore it. */
  joins(): Promise<boolean> {
    return this.command('joins', {});
  }

  /** What this process has received and sent so far. */
  counts(): Promise<MessageCounts> {
    return this.command('counts', {});
  }

  /** From now on the event loop stands still for `milliseconds` of `every` milliseconds. */
  block(milliseconds: number, every: number): Promise<void> {
    return this.command('block', { milliseconds, every });
  }

  /** Closes the database. A process whose database is closed has nothing left to do, and should end. */
  close(): Promise<void> {
    return this.command('close', {});
  }

  /** Closes the database and resolves when the process has ended by itself. */
  async closeAndEnd(): Promise<Exit> {
    await this.close();
    return this.#process.endedWithin(60_000);
  }

  /** Ends the process with `process.exit()`. */
  async exit(code = 0): Promise<Exit> {
    this.command('exit', { code }).catch(() => {});
    return this.#process.endedWithin(60_000);
  }

  /** Sends a signal, `SIGKILL` by default, and resolves when the process has ended. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    return this.#process.end(signal);
  }

  /** A command, and when it was carried out, by the process itself. */
  async timed<T>(
    command: string,
    parameters: Readonly<Record<string, unknown>>,
    timeoutMs = commandTimeoutMs,
  ): Promise<Timed<T>> {
    const timed = await this.command<{ result: T; invokedAt: bigint; returnedAt: bigint }>(
      'timed',
      { command, parameters },
      timeoutMs,
    );
    const { result, invokedAt, returnedAt } = timed;
    return { result, invokedAt: machineTime(invokedAt), returnedAt: machineTime(returnedAt) };
  }

  /** Any command of `acebase-worker.cjs`. */
  async command<T>(
    command: string,
    parameters: Readonly<Record<string, unknown>>,
    timeoutMs = commandTimeoutMs,
  ): Promise<T> {
    if (this.#process.exit) throw new Error(`Cannot ${command}: ${this.describe()}`);
    const number = ++this.#lastNumber;
    const answer = new Promise<unknown>((resolve, reject) => this.#open.set(number, { resolve, reject }));
    this.#process.child.send({ number, command, parameters }, (error) => {
      if (error)
        this.#settle(number)?.reject(new Error(`Cannot ${command}: ${this.describe()}`, { cause: error }));
    });
    const target = parameters['path'] === undefined ? '' : ` "${String(parameters['path'])}"`;
    const describe = () => `No answer to ${command}${target}: ${this.describe()}`;
    return (await within(timeoutMs, describe, answer)) as T;
  }

  #receive(message: Exclude<FromWorker, { kind: 'ready' }>): void {
    if (message.kind === 'event') {
      this.#subscriptions.get(message.subscription)?.receive({ path: message.path, value: message.value });
      return;
    }
    const open = this.#settle(message.number);
    if (message.error === undefined) open?.resolve(message.result);
    else open?.reject(new Error(`${this.name}: ${message.error}`));
  }

  #settle(number: number) {
    const open = this.#open.get(number);
    this.#open.delete(number);
    return open;
  }
}
