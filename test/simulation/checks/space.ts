import type { StockPeer } from '../model/stock-peer.js';
import type { Verdicts } from './verdicts.js';

/** No record of the file has two owners: what was handed out comes back once before it is handed out again. */
export class SpaceCheck {
  /** The root of a new file is in record 0. */
  readonly #owners = new Map<number, string>([[0, 'the first root']]);
  readonly #verdicts: Verdicts;

  constructor(verdicts: Verdicts) {
    this.#verdicts = verdicts;
  }

  allocated(owner: StockPeer, record: number): void {
    const former = this.#owners.get(record);
    if (former !== undefined) {
      this.#verdicts.wrongFile(
        'space with two owners',
        `record ${record} of ${former} goes to ${owner.name}`,
      );
    }
    this.#owners.set(record, owner.name);
  }

  /** A master has taken a record back. */
  released(master: StockPeer, record: number): void {
    if (this.#owners.delete(record)) return;
    this.#verdicts.wrongFile('space released twice', `record ${record} at ${master.name}`);
  }
}
