/** The messages of AceBase's IPC, as far as the model has them, in the key order of its clients. */

export interface LockDetails {
  readonly path: string;
  readonly tid: string;
  readonly write: boolean;
  readonly comment: string;
}

/** A lock as a `lock-result` tells of it. */
export interface Lock extends LockDetails {
  readonly id: number;
  readonly expires: number;
}

/** What a worker asks its master for, beside locks. */
export type RequestData =
  | { readonly type: 'fst.allocate'; readonly records: number }
  | { readonly type: 'fst.release'; readonly ranges: readonly Range[] }
  | { readonly type: 'kit.add'; readonly key: string }
  | { readonly type: 'index.create'; readonly path: string; readonly key: string }
  | {
      readonly type: 'index.update';
      readonly fileName: string;
      readonly path: string;
      readonly newValue: number;
    };

/** Records of the file that lie side by side. */
export interface Range {
  readonly pageNr: number;
  readonly recordNr: number;
  readonly length: number;
}

/** Where a record is. */
export interface Address {
  readonly path: string;
  readonly pageNr: number;
  readonly recordNr: number | string;
}

/** What is told to everybody. */
export type NotificationData =
  | { readonly type: 'kit.new_key'; readonly key: string; readonly index: number }
  | { readonly type: 'root.update'; readonly address: Address }
  | { readonly type: 'cache.update'; readonly info: { readonly path: string; readonly address: Address } }
  | {
      readonly type: 'cache.invalidate';
      readonly path: string;
      readonly recursive: boolean;
      readonly reason: string;
    }
  | { readonly type: 'index.created'; readonly fileName: string };

interface Subject {
  readonly path: string;
  readonly event: string;
}

/** What one process says to another, or to all. */
export type Message = { from: string; to?: string } & (
  | { type: 'hello' | 'bye' }
  | { type: 'subscribe' | 'unsubscribe'; data: Subject }
  | { type: 'event'; path: string; event: string; data: { path: string; val: number } }
  | { type: 'lock-request'; id: string; data: LockDetails }
  | { type: 'unlock-request'; id: string; data: { readonly id: number } }
  | { type: 'move-lock-request'; id: string; data: { readonly id: number; readonly move_to: 'parent' } }
  | { type: 'request'; id: string; data: RequestData }
  | { type: 'notification'; data: NotificationData }
  | Answer
);

/** The master's answer. */
export interface Answer {
  type: 'lock-result' | 'unlock-result' | 'result';
  id: string;
  ok: boolean;
  reason?: string;
  data?: unknown;
  from: string;
  to?: string;
}

/** What is asked of a master, without who asks and its number. */
export type Question =
  | { readonly type: 'lock-request'; readonly data: LockDetails }
  | { readonly type: 'unlock-request'; readonly data: { readonly id: number } }
  | { readonly type: 'move-lock-request'; readonly data: { readonly id: number; readonly move_to: 'parent' } }
  | { readonly type: 'request'; readonly data: RequestData };

/** A message as text, with its number in the run behind its own members: AceBase ignores what it does not know. */
export function textOf(message: Message, number: number): string {
  const { type, from, ...rest } = message;
  return JSON.stringify({ type, from, ...rest, simulated: number });
}

/** For people: the type, and what it is about. */
export function describe(message: Message): string {
  const { type, to } = message;
  const subject = 'data' in message ? JSON.stringify(message.data) : '';
  const id = 'id' in message ? ` ${message.id}` : '';
  const verdict = 'ok' in message && !message.ok ? ` FAILED: ${message.reason ?? ''}` : '';
  return `${type}${id}${to === undefined ? '' : ` to ${to}`}${verdict} ${subject}`.trimEnd();
}

/** Whether a message is the answer of a master. */
export function isAnswer(message: Message): message is Message & Answer {
  return message.type.endsWith('result');
}

/** Whether a message asks a master for something. */
export function isRequest(message: Message): boolean {
  return message.type === 'request' || message.type.endsWith('-request');
}
