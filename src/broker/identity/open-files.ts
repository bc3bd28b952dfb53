import { compareAll, type DatabaseFile } from '../../protocol/file-identity.js';
import type { Peer } from '../peers/peer.js';
import type { ArrivalRequest, Cancel, Clock } from '../ports.js';

/**
 * Milliseconds for which a process waits at the door at most while its open file is looked for. Stock clients bear 5,000, and a
 * second master waits for 2,000 more.
 */
export const HOLD_MS = 2_500;

/** Milliseconds between two looks whether it was found. */
export const HOLD_LOOK_MS = 10;

/** Milliseconds until each further look for the file of a process that was let in: it may open its file late. */
const LOOKS_MS = [100, 300, 1_000, 5_000, 35_000];

/** Milliseconds after which a process whose file was not found counts as one whose file cannot be found. */
export const BLIND_MS = 60_000;

/** What it works with. */
export interface OpenFilesSettings {
  readonly clock: Clock;
  readonly peers: ReadonlyMap<string, Peer>;
}

/** What it asks of others. */
export interface OpenFilesHost {
  /** The file of a peer, as it says itself. */
  toldBy(peer: Peer): readonly DatabaseFile[];
  /** The peer has another file open than one that was there before it. */
  differs(peer: Peer, other: Peer): void;
  /** A process at the door has. */
  differsAtDoor(request: ArrivalRequest, files: readonly DatabaseFile[], other: Peer): void;
}

/** Compares the database files that processes of this machine have open, as the system shows them. */
export class OpenFiles {
  readonly #settings: OpenFilesSettings;
  readonly #host: OpenFilesHost;
  /** Those who take part, in the order in which they began to, and since when. */
  readonly #joined = new Map<Peer, number>();
  readonly #watched = new Map<Peer, Cancel>();

  constructor(settings: OpenFilesSettings, host: OpenFilesHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /** Whether there is something to compare the file of a newcomer with, and it may be found. */
  isToBeHeld({ peerId, process }: ArrivalRequest): boolean {
    const { peers } = this.#settings;
    const isBack = peers.get(peerId)?.isMaster === false;
    return (
      process?.isSought === true &&
      !isBack &&
      [...this.#joined.keys()].some((peer) => this.#of(peer).length > 0)
    );
  }

  /**
   * Whether a process at the door may come in, as far as its file is concerned; `undefined` while that is looked for.
   *
   * @param since when it came, by the broker's clock
   */
  mayEnter(request: ArrivalRequest, since: number): boolean | undefined {
    if (request.process?.isSought === true && this.#settings.clock.now() < since + HOLD_MS) return undefined;
    const files = request.process?.databaseFiles ?? [];
    const others = [...this.#joined.keys()];
    const compared = others.map((other) => ({ other, result: compareAll(files, this.#of(other)) }));
    const differing = compared.find(({ result }) => result === 'different');
    if (differing === undefined || compared.some(({ result }) => result === 'same')) return true;
    this.#host.differsAtDoor(request, files, differing.other);
    return false;
  }

  /** A peer takes part, or is back. Its file is compared with those of all others as soon as it is found. */
  joins(peer: Peer): void {
    const { clock } = this.#settings;
    if (!this.#joined.has(peer)) this.#joined.set(peer, clock.now());
    this.#watched.get(peer)?.();
    this.#watched.delete(peer);
    const look = (count: number): void => {
      this.#watched.delete(peer);
      const wait = LOOKS_MS[count];
      if (this.#of(peer).length > 0) this.#judge(peer);
      else if (wait !== undefined) {
        this.#watched.set(
          peer,
          clock.schedule(wait, () => look(count + 1)),
        );
      }
    };
    if (peer.process !== undefined || this.#of(peer).length > 0) look(0);
  }

  /** A peer is no longer part of the database. */
  left(peer: Peer): void {
    this.#watched.get(peer)?.();
    this.#watched.delete(peer);
    this.#joined.delete(peer);
  }

  /** Whether there is a file that only the system shows. */
  areAnySeenBeside(peer: Peer): boolean {
    const others = [...this.#joined.keys()].filter((other) => other !== peer);
    return others.some(({ process }) => (process?.databaseFiles ?? []).length > 0);
  }

  /** A peer whose file cannot be found, while others are there; `undefined` if there is none. */
  findBlind(): Peer | undefined {
    const { clock, peers } = this.#settings;
    if (peers.size < 2) return undefined;
    const now = clock.now();
    const isBlind = ([peer, since]: readonly [Peer, number]): boolean =>
      !peer.can('identify') && now - since >= BLIND_MS && this.#of(peer).length === 0;
    return [...this.#joined].find(isBlind)?.[0];
  }

  /** The file of a peer, in words. */
  describe(peer: Peer): string {
    const [file] = this.#of(peer);
    const pid = peer.process?.pid;
    const who = pid === undefined ? `${peer.id} at ${peer.address}` : `${peer.id}, pid ${pid}`;
    return `${file?.folder ?? 'a folder that is not known'} (${who})`;
  }

  /** The same of a file that only the system shows; `undefined` if it shows none. */
  describeSeen(peer: Peer): string | undefined {
    const [file] = peer.process?.databaseFiles ?? [];
    return file === undefined ? undefined : this.describe(peer);
  }

  /** Nobody is looked for any more. */
  stop(): void {
    for (const cancel of this.#watched.values()) cancel();
    this.#watched.clear();
    this.#joined.clear();
  }

  /** Of two peers whose files differ, the one that joined later has to go. */
  #judge(peer: Peer): void {
    let isOlder = false;
    for (const other of [...this.#joined.keys()]) {
      if (other === peer) isOlder = true;
      else if (this.#joined.has(other) && compareAll(this.#of(peer), this.#of(other)) === 'different') {
        this.#host.differs(isOlder ? other : peer, isOlder ? peer : other);
        if (!isOlder) return;
      }
    }
  }

  #of(peer: Peer): readonly DatabaseFile[] {
    const told = this.#host.toldBy(peer);
    return told.length > 0 ? told : (peer.process?.databaseFiles ?? []);
  }
}
