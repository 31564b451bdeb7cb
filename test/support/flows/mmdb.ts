/** Writes databases in MaxMind's format (version 2.0 of its specification), for IPv4. */

type Value = string | number | { readonly [key: string]: Value } | readonly Value[];

interface Node {
  zero?: Node | number;
  one?: Node | number;
}

const NODE_BYTES = 6;
const SEPARATOR_BYTES = 16;
const TYPE = { text: 2, double: 3, u32: 6, map: 7, array: 11 } as const;

/** The type and the size in front of a value; short ones only. */
function control(type: number, size: number): Buffer {
  if (size >= 29 + 256) throw new Error('too long for a test');
  const low = size < 29 ? size : 29;
  const more = size < 29 ? [] : [size - 29];
  return type <= 7
    ? Buffer.from([(type << 5) | low, ...more])
    : Buffer.from([low, type - 7, ...more]);
}

function encoded(value: Value): Buffer {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    return Buffer.concat([control(TYPE.text, bytes.length), bytes]);
  }
  if (typeof value === 'number') {
    const isWhole = Number.isInteger(value) && value >= 0;
    const bytes = Buffer.alloc(isWhole ? 4 : 8);
    if (isWhole) bytes.writeUInt32BE(value);
    else bytes.writeDoubleBE(value);
    return Buffer.concat([control(isWhole ? TYPE.u32 : TYPE.double, bytes.length), bytes]);
  }
  if (Array.isArray(value)) {
    const items = value as readonly Value[];
    return Buffer.concat([control(TYPE.array, items.length), ...items.map(encoded)]);
  }
  const entries = Object.entries(value as Readonly<Record<string, Value>>);
  const parts = entries.flatMap(([key, part]) => [encoded(key), encoded(part)]);
  return Buffer.concat([control(TYPE.map, entries.length), ...parts]);
}

/** A database of networks such as `10.0.0.0/8`, none inside another. */
export function mmdb(networks: Readonly<Record<string, Value>>): Buffer {
  const root: Node = {};
  const data: Buffer[] = [];
  let dataBytes = 0;
  for (const [cidr, value] of Object.entries(networks)) {
    insert(root, cidr, dataBytes);
    const bytes = encoded(value);
    data.push(bytes);
    dataBytes += bytes.length;
  }
  const nodes = numbered(root);
  const tree = Buffer.alloc(nodes.length * NODE_BYTES);
  for (const [index, { zero, one }] of nodes.entries()) {
    for (const [side, child] of [zero, one].entries()) {
      tree.writeUIntBE(pointer(child, nodes), index * NODE_BYTES + side * 3, 3);
    }
  }
  const metadata = encoded({
    ...{ binary_format_major_version: 2, binary_format_minor_version: 0, build_epoch: 1 },
    ...{ database_type: 'Test', description: { en: 'Test' }, ip_version: 4, languages: ['en'] },
    ...{ node_count: nodes.length, record_size: 24 },
  });
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
  return Buffer.concat([tree, Buffer.alloc(SEPARATOR_BYTES), ...data, marker, metadata]);
}

/** Puts the place of a value below the bits of a prefix. */
function insert(root: Node, cidr: string, place: number): void {
  const [address = '', length = '32'] = cidr.split('/');
  const bits = address
    .split('.')
    .map((octet) => Number(octet).toString(2).padStart(8, '0'))
    .join('')
    .slice(0, Number(length));
  let node = root;
  for (const bit of bits.slice(0, -1)) {
    const side = bit === '0' ? 'zero' : 'one';
    node[side] ??= {};
    node = node[side] as Node;
  }
  node[bits.endsWith('0') ? 'zero' : 'one'] = place;
}

function numbered(root: Node): readonly Node[] {
  const nodes: Node[] = [root];
  for (const { zero, one } of nodes) {
    for (const child of [zero, one]) if (typeof child === 'object') nodes.push(child);
  }
  return nodes;
}

/** A node, nothing, or a value behind the tree. */
function pointer(child: Node | number | undefined, nodes: readonly Node[]): number {
  if (child === undefined) return nodes.length;
  return typeof child === 'number' ? nodes.length + SEPARATOR_BYTES + child : nodes.indexOf(child);
}
