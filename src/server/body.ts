import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Room } from '../broker/memory.js';
import { MessageAssembly } from '../websocket/message-assembly.js';

/** What became of a body. */
export type BodyResult =
  | { readonly outcome: 'complete'; readonly body: Uint8Array }
  | { readonly outcome: 'too-large' | 'too-busy' | 'aborted' };

/**
 * Reads the body of a request as it arrives, against a limit: a body that announces more is not read at all, and one
 * that turns out longer no further. What it takes in memory is a small multiple of its bytes, however small the pieces.
 */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  memory: Room,
): Promise<BodyResult> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > maxBytes) return { outcome: 'too-large' };
  const assembly = new MessageAssembly();
  let taken = 0;
  try {
    for await (const chunk of (request as Readable).iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      if (taken + bytes.length > maxBytes) return { outcome: 'too-large' };
      if (!memory.take(bytes.length)) return { outcome: 'too-busy' };
      assembly.append(bytes, Math.max(bytes.length, announced - taken));
      taken += bytes.length;
    }
    return { outcome: 'complete', body: assembly.take() };
  } catch (error) {
    if (request.destroyed) return { outcome: 'aborted' };
    throw error;
  } finally {
    memory.give(taken);
  }
}
