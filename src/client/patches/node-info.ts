/** What AceBase knows of a node: the address of its record, or its value if that is small. */
export interface NodeInfo {
  path: string;
  readonly address?: RecordAddress | null | undefined;
  exists?: boolean;
  value?: unknown;
  type?: unknown;
}

/** Where a record begins. */
export interface RecordAddress {
  /** Of the node that is in it. */
  path?: string;
  readonly pageNr: number;
  readonly recordNr: number;
}

/** What a node takes in a cache, beside what follows: all of these were measured with Node.js 20, of 64 bits. */
const NODE_BYTES = 330;
const ADDRESS_BYTES = 130;
const OBJECT_BYTES = 64;

/** What each key of a path takes that the cache knows. */
export const PLACE_BYTES = 270;

/** The memory that a node takes in a cache: an estimate, a little too much rather than too little. */
export function estimatedBytesOf({ path, address, value }: NodeInfo): number {
  return NODE_BYTES + (address ? ADDRESS_BYTES : 0) + 2 * path.length + bytesOfValue(value);
}

/** Only what is small is kept with a node, and no trees: AceBase's `maxInlineValueSize` is 64 bytes at most. */
function bytesOfValue(value: unknown): number {
  if (typeof value === 'string') return 2 * value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return OBJECT_BYTES + (ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? value.byteLength : 0);
}
