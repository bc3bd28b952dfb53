/** The masters that a server runs itself, with their way in: what the server does with both. */

import type { Broker } from '../broker/broker.js';
import type { Clock, PeerInfo } from '../broker/ports.js';
import type { ManagedMasterReport } from '../managed-masters/managed-master.js';
import type { ManagedMasters } from '../managed-masters/managed-masters.js';
import { within } from '../platform/clock.js';
import type { PrivateDoor } from './private-door.js';

/** How much sooner than `stopTimeout` a master that does not close is killed, in milliseconds. */
const KILL_MARGIN_MS = 500;

/** What it works with. */
export interface ManagedServiceSettings {
  readonly clock: Clock;
  readonly masters: ManagedMasters;
  readonly door: PrivateDoor;
  readonly broker: Pick<Broker, 'drain'>;
}

/** Begins and ends the masters of a server together with it. Does nothing where there are none. */
export class ManagedService {
  readonly #settings: ManagedServiceSettings;
  #hasStarted = false;

  constructor(settings: ManagedServiceSettings) {
    this.#settings = settings;
  }

  /**
   * The server listens: their way in is opened, and they are started.
   *
   * @param urls where it listens
   * @throws {IPCError} IPC_LISTEN_*
   */
  async start(urls: readonly string[]): Promise<void> {
    const { masters, door } = this.#settings;
    if (masters.files.size === 0) return;
    masters.start(await door.open(), urls);
    this.#hasStarted = true;
  }

  /** The files whose masters these are, by their names on the wire. */
  get files(): ReadonlySet<string> {
    return this.#settings.masters.files;
  }

  /** How each of them is. */
  get reports(): readonly ManagedMasterReport[] {
    return this.#settings.masters.reports;
  }

  /** A peer has joined a database. */
  peerConnected({ role, database }: PeerInfo): void {
    if (role === 'master') this.#settings.masters.connected(database);
  }

  /** A peer has left a database. */
  peerDisconnected({ role, database, pid }: PeerInfo): void {
    if (role === 'master') this.#settings.masters.departed(database, pid);
  }

  /** The server sends everybody to the next one, the masters last. @param timeout milliseconds @see Broker.drain */
  drain(timeout: number): Promise<void> {
    const { broker, masters } = this.#settings;
    return new Promise((resolve) => {
      broker.drain(timeout, resolve, (mayBeUsed) => void masters.close(undefined, mayBeUsed));
    });
  }

  /**
   * The server is about to end all connections: workers are told to come back, then masters close, in `stopTimeout` at most.
   *
   * @param isDraining whether that was begun already
   */
  async stop(stopTimeout: number, isDraining: boolean): Promise<void> {
    if (!this.#hasStarted) return;
    const { clock, masters } = this.#settings;
    const patience = Math.max(stopTimeout - KILL_MARGIN_MS, 0);
    const deadline = clock.now() + patience;
    // What is left of a drain is not waited for; and not for ever for workers that do not go.
    if (!isDraining) await within(patience / 2, this.drain(0), () => undefined, clock);
    await masters.close(Math.max(deadline - clock.now(), 0));
  }

  /** Closes their way in. @see PrivateDoor */
  async close(): Promise<void> {
    await this.#settings.door.close();
  }

  /** Ends their connections, whatever they are doing. */
  destroyConnections(): void {
    this.#settings.door.destroyConnections();
  }
}
