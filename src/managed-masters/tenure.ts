import { type Clocks, elapsedSince, type Moment, momentAt } from '../elapsed.js';
import { certainFor } from '../platform/folder-owner.js';

/** What it works with. */
export interface TenureSettings {
  readonly clock: Clocks;
  /** Of this run of the server, as the record has it. */
  readonly server: string;
  /** `reconnectGrace` and `lease`, in milliseconds. */
  readonly grace: number;
  readonly lease: number;
  /** The folder is taken for the first time. Whether what others have of other servers is good is known now: {@link Tenure.inherits}. */
  begun(): void;
  /** Another server has the folder, or has had it since: what this one gave to anybody is void. */
  interrupted(): void;
}

/**
 * Whether a folder is this server's for certain, and what another one gave is still good: as the processes of its masters tell of the record beside
 * the data.
 *
 * A server that was stopped does not know what happened meanwhile. So it is asked before anybody is told that his place is kept.
 */
export class Tenure {
  readonly #settings: TenureSettings;
  /** Whether this server has the folder, as far as it knows. */
  #state: 'never' | 'has' | 'lost' = 'never';
  /** The server whose workers may come here with what it gave them; `null` if none may, `undefined` if it is not known which. */
  #former: string | null | undefined;
  #kept: Moment | undefined;

  constructor(settings: TenureSettings) {
    this.#settings = settings;
  }

  /** A process has the folder. @param former the server that had it before; `undefined` if there was no record */
  taken(former: string | undefined): void {
    const { server, begun } = this.#settings;
    if (this.#state === 'never') {
      this.#state = 'has';
      this.#former = former;
      begun();
    } else {
      if (former !== server) this.lost();
      this.#state = 'has';
    }
  }

  /** Its next process cannot have the folder: it is somebody else's. */
  lost(): void {
    if (this.#state !== 'has') return;
    this.#state = 'lost';
    this.#former = null;
    this.#kept = undefined;
    this.#settings.interrupted();
  }

  /** That process has renewed the record. @param uptime of the machine, in milliseconds, when that was begun */
  kept(uptime: number): void {
    this.#kept = momentAt(uptime, this.#settings.clock);
  }

  /**
   * Whether a peer may be told that its place is kept: no other server has the folder, or will have it before the lease is over that begins now.
   *
   * @param isReturning whether it was at a server before this one
   */
  keepsPlace(isReturning: boolean): boolean {
    const { clock, grace, lease } = this.#settings;
    // Who is new has nothing before there is a master.
    if (this.#state !== 'has' && !isReturning) return true;
    return this.#kept !== undefined && elapsedSince(clock, this.#kept) < certainFor(grace, lease);
  }

  /** Whether what that server gave may be good here: no other one has had the folder since. @param server `undefined` if it does not say */
  inherits(server: string | undefined): boolean {
    const { server: own } = this.#settings;
    return this.#former === undefined || this.#former === server || (this.#former !== null && server === own);
  }
}
