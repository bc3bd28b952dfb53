import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock, Logger, ManagedFolders, PeerProcess } from '../broker/ports.js';
import type { Clocks } from '../elapsed.js';
import type { Settings } from '../options/settings.js';
import { ownWords } from '../platform/local-processes.js';
import type { FolderServer } from '../platform/owner-record.js';
import type { Child, ChildHandlers } from './child-port.js';
import { findAceBase, findProgram, startChild } from './child-program.js';
import { ManagedMaster, type ManagedMasterReport } from './managed-master.js';
import { Tenure } from './tenure.js';

/** Where the processes of managed masters connect. */
export interface PrivateAddress {
  readonly host: string;
  readonly port: number;
}

/** What managed masters work with. */
export interface ManagedMastersSettings {
  readonly clock: Clock & Clocks;
  readonly logger: Logger;
  readonly settings: Pick<Settings, 'masters' | 'lockTimeout' | 'reconnectGrace' | 'lease'>;
  /** This run of the server. */
  readonly server: string;
  /** @see Broker.folderTaken */
  folderTaken(file: string): void;
  /** @see Broker.folderLost */
  folderLost(file: string): void;
}

/** What the rest of the server asks about masters that it runs itself. Files are meant by their names on the wire: `mydb_data`. */
export interface ManagedFiles {
  /** Whether this server runs the master of that file. */
  has(file: string): boolean;
  /** Whether it is the transaction log of a database whose master this server runs, and that master keeps none. */
  lacksLog(file: string): boolean;
  /** Whether a request shows the secret of the process that is the master of that file now. */
  secretFits(file: string, authorization: string | undefined): boolean;
  /** That process; `undefined` if there is none. */
  processOf(file: string): PeerProcess | undefined;
}

/** One database. */
interface Entry {
  readonly master: ManagedMaster;
  readonly tenure: Tenure;
  /** Of its process, if there is one: a digest of its secret, and what the broker may know of it. */
  digest: Buffer | undefined;
  process: PeerProcess | undefined;
}

/**
 * The masters that this server runs itself, each in a process of its own.
 *
 * A process shows a secret that was made for it alone, and is worthless when it has ended. So whoever else comes as master of such a
 * database is refused, whichever token it has.
 */
export class ManagedMasters implements ManagedFiles, ManagedFolders {
  readonly #server: string;
  readonly #entries = new Map<string, Entry>();
  /** The databases, by the names of their files. */
  readonly #byFile = new Map<string, Entry>();
  readonly #files = new Set<string>();
  readonly #filesWithoutLog = new Set<string>();
  #place: { readonly address: PrivateAddress; readonly server: FolderServer } | undefined;

  /** @throws {IPCError} IPC_MASTER_*, unless there are no masters */
  constructor({ clock, logger, settings, server, folderTaken, folderLost }: ManagedMastersSettings) {
    this.#server = server;
    const { masters, lockTimeout, reconnectGrace: grace, lease } = settings;
    if (masters.size === 0) return;
    const acebase = findAceBase();
    const program = findProgram();
    for (const [database, own] of masters) {
      const spawn = (handlers: ChildHandlers, mayCreate: boolean): Child => {
        if (this.#place === undefined) throw new TypeError('managed masters were not started');
        const secret = randomBytes(24).toString('hex');
        const door = { ...this.#place.address, secret };
        const { server } = this.#place;
        const create = own.create && mayCreate;
        const settings = { ...own, create };
        const common = { kind: 'open', database, settings, lockTimeout, acebase } as const;
        const request = { ...common, door, server, grace };
        return this.#admit(
          entry,
          clock,
          secret,
          (all) => startChild({ program, clock, logger, request }, all),
          handlers,
        );
      };
      const log = `${database}_transaction`;
      const files = [`${database}_data`, ...(own.transactions.log ? [log] : [])];
      const tenure = new Tenure({
        clock,
        server,
        grace,
        lease,
        begun: () => files.forEach(folderTaken),
        interrupted: () => files.forEach(folderLost),
      });
      const master = new ManagedMaster({
        database,
        path: own.path,
        clock,
        logger,
        spawn,
        taken: (former) => tenure.taken(former),
        kept: (uptime) => tenure.kept(uptime),
        lost: () => tenure.lost(),
      });
      const entry: Entry = { master, tenure, digest: undefined, process: undefined };
      this.#entries.set(database, entry);
      for (const file of files) this.#byFile.set(file, entry);
      if (!own.transactions.log) this.#filesWithoutLog.add(log);
    }
    for (const file of this.#byFile.keys()) this.#files.add(file);
  }

  /** The files whose masters these are, by their names on the wire. */
  get files(): ReadonlySet<string> {
    return this.#files;
  }

  /** How each is. */
  get reports(): readonly ManagedMasterReport[] {
    return [...this.#entries.values()].map(({ master }) => master.report);
  }

  has(file: string): boolean {
    return this.#byFile.has(file);
  }

  keepsPlace(file: string, isReturning: boolean): boolean {
    return this.#byFile.get(file)?.tenure.keepsPlace(isReturning) !== false;
  }

  inherits(file: string, server: string | undefined): boolean {
    return this.#byFile.get(file)?.tenure.inherits(server) !== false;
  }

  lacksLog(file: string): boolean {
    return this.#filesWithoutLog.has(file);
  }

  secretFits(file: string, authorization: string | undefined): boolean {
    const digest = this.#byFile.get(file)?.digest;
    const shown = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    return digest !== undefined && shown !== undefined && timingSafeEqual(digestOf(shown), digest);
  }

  /** Whether a request shows the secret of any of these processes. */
  isOfMaster(authorization: string | undefined): boolean {
    return [...this.#byFile.keys()].some((file) => this.secretFits(file, authorization));
  }

  processOf(file: string): PeerProcess | undefined {
    return this.#byFile.get(file)?.process;
  }

  /** The master of that file has connected. */
  connected(file: string): void {
    this.#byFile.get(file)?.master.connected(file);
  }

  /** The master of that file is given up. @see ManagedMaster.departed */
  departed(file: string, pid: number | undefined): void {
    this.#byFile.get(file)?.master.departed(file, pid);
  }

  /**
   * Starts them all.
   *
   * @param address where they are to connect
   * @param urls where others do: for the record of who uses a folder
   */
  start(address: PrivateAddress, urls: readonly string[]): void {
    this.#place = { address, server: { id: this.#server, process: ownWords() ?? null, urls } };
    for (const { master } of this.#entries.values()) master.start();
  }

  /** Has them all close their databases. @see ManagedMaster.close */
  async close(patience?: number, mayBeUsed?: boolean): Promise<void> {
    await Promise.all([...this.#entries.values()].map(({ master }) => master.close(patience, mayBeUsed)));
  }

  /** Lets a process in that is being started, until it has ended. */
  #admit(
    entry: Entry,
    clock: Clock,
    secret: string,
    start: (handlers: ChildHandlers) => Child,
    handlers: ChildHandlers,
  ): Child {
    const startedAt = clock.now();
    let hasEnded = false;
    entry.digest = digestOf(secret);
    const child = start({
      ...handlers,
      ended: (end) => {
        hasEnded = true;
        entry.digest = undefined;
        entry.process = undefined;
        handlers.ended(end);
      },
    });
    entry.process = {
      pid: child.pid,
      isSought: false,
      get age() {
        return clock.now() - startedAt;
      },
      databaseFiles: [],
      hasEnded: () => hasEnded,
    };
    return child;
  }
}

/** Of equal length, whatever is shown. */
function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
