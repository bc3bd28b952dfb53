/**
 * The root of a database never goes back (docs/PROTOCOL.md, section 7).
 *
 * AceBase's root record moves when top-level keys come and go. Its writer tells all peers by `root.update`; each of
 * them takes the address over, writes it into the file, and *says it again* to everybody. Passed on, such an echo of
 * an old address reaches peers that know a newer one, they turn back, and the file's root with them. So echoes stop
 * here. Each peer's mail tells what it must echo: every address that differs from what it believed before.
 *
 * A peer echoes while it reads an update, and answers the ping behind it afterwards. So with the pong all echoes of
 * what came before the ping are in; those that are not will never come, because the peer believed the address already.
 */

import type { RecordAddress } from '../../protocol/messages.js';
import { MAX_EXPECTED_ECHOES } from '../limits.js';

interface ExpectedEcho {
  readonly address: string;
  /** The ping that followed the update on the line; its pong proves that the update was read, and echoed if at all. */
  readonly token: number;
}

/** What the broker knows of one peer's idea of the root. */
export class RootView {
  /** The address that the peer will believe once it has read its mail; `undefined` until it is known. */
  believes: string | undefined;
  /** Echoes that the peer may still send, in the order in which it would send them. */
  expected: ExpectedEcho[] = [];
}

/** The root, and the update that told of it. */
export interface CurrentRoot {
  readonly address: string;
  readonly place: RecordAddress;
  readonly message: Uint8Array;
}

/** The root of one database, and which `root.update` is news. */
export class RootRecord {
  /** The newest update as it was sent, for those who come later. `undefined` until there was one. */
  current: CurrentRoot | undefined;

  /**
   * A `root.update` came from the peer with this view.
   *
   * @returns whether it is news, to be passed on; if not, it is an echo
   */
  receive(view: RootView, recordAddress: RecordAddress, message: Uint8Array): 'update' | 'echo' {
    const address = addressText(recordAddress);
    const echo = view.expected.findIndex((entry) => entry.address === address);
    if (echo >= 0) {
      view.expected = view.expected.slice(echo + 1);
      return 'echo';
    }
    view.believes = address;
    this.current = { address, place: recordAddress, message: new Uint8Array(message) };
    return 'update';
  }

  /**
   * The current root is about to be sent to the peer with this view.
   *
   * @param token the token of the ping that will follow it
   * @returns `send`, with no echo to come; `send-and-ping`, if one is expected; `overdue`, if the peer owes so many
   *   echoes that it must have stopped reading
   */
  relay(view: RootView, token: number): 'send' | 'send-and-ping' | 'overdue' {
    const address = this.current?.address;
    if (address === undefined || view.believes === address) return 'send';
    if (view.expected.length >= MAX_EXPECTED_ECHOES) return 'overdue';
    view.expected.push({ address, token });
    view.believes = address;
    return 'send-and-ping';
  }

  /**
   * The current root is about to be sent to the peer with this view so that it writes it again: in another form and as it is, and it will
   * echo both.
   *
   * @param token the token of the ping that will follow
   */
  expectTwoEchoes(view: RootView, token: number): void {
    const address = this.current?.address;
    if (address !== undefined) view.expected.push({ address, token }, { address, token });
  }

  /** The peer with this view has read everything that was sent before the ping with that token. */
  confirm(view: RootView, token: number): void {
    view.expected = view.expected.filter((entry) => entry.token > token);
  }
}

function addressText({ pageNr, recordNr }: RecordAddress): string {
  return `${pageNr}:${recordNr}`;
}
