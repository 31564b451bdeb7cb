/**
 * A name server for one address and port, on UDP and TCP, run inside a namespace. The first label
 * selects the answer: `nx` the name does not exist, `code11` response code 11, `lost` no answer,
 * `slow` after a while, `alias` through another name, `many` with more than fits a datagram.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import {
  type Answer,
  FIRST_NAME,
  Flag,
  labels,
  message,
  pointer,
  Type,
} from '../codec/dns-message.ts';

/** Delay of `slow`. */
export const SLOW_MS = 60;
const MANY = 60;

interface Asked {
  readonly id: number;
  readonly labels: readonly string[];
  readonly type: number;
  readonly question: { readonly name: Buffer; readonly type: number };
}

function ask(query: Buffer): Asked {
  const parts: string[] = [];
  let at = FIRST_NAME;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    parts.push(query.toString('latin1', at + 1, at + 1 + length).toLowerCase());
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  const name = query.subarray(FIRST_NAME, at + 1);
  return { id: query.readUInt16BE(0), labels: parts, type, question: { name, type } };
}

function addresses(name: Buffer, type: number, count: number): Answer[] {
  return Array.from({ length: count }, (_, index) =>
    type === Type.AAAA
      ? { name, type, data: Buffer.from(`20010db80000000000000000000000${hex(index + 1)}`, 'hex') }
      : { name, type: Type.A, data: Buffer.of(198, 51, 100, index + 1) },
  );
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

function answer(asked: Asked, isStream: boolean): Buffer {
  const [how] = asked.labels;
  const flags = Flag.response | Flag.recursion;
  const questions = [asked.question];
  if (how === 'nx') return message(asked.id, flags | 3, questions);
  if (how?.startsWith('code')) return message(asked.id, flags | Number(how.slice(4)), questions);
  if (how === 'many') {
    if (!isStream) return message(asked.id, flags | Flag.truncated, questions);
    return message(asked.id, flags, questions, addresses(pointer(FIRST_NAME), asked.type, MANY));
  }
  if (how === 'alias') {
    // The alias is in the zone of the requested name, without its first label.
    const target = Buffer.concat([labels('real').subarray(0, 5), pointer(FIRST_NAME + 6)]);
    const alias = { name: pointer(FIRST_NAME), type: Type.CNAME, data: target };
    const targetAt = FIRST_NAME + asked.question.name.length + 4 + 12;
    const rest = addresses(pointer(targetAt), asked.type, 2);
    return message(asked.id, flags, questions, [alias, ...rest]);
  }
  return message(asked.id, flags, questions, addresses(pointer(FIRST_NAME), asked.type, 1));
}

async function respond(
  query: Buffer,
  isStream: boolean,
  send: (reply: Buffer) => void,
): Promise<void> {
  const asked = ask(query);
  if (asked.labels[0] === 'lost') return;
  if (asked.labels[0] === 'slow') await setTimeout(SLOW_MS);
  send(answer(asked, isStream));
}

function serve(address: string, port: number): void {
  const datagrams = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  datagrams.on('message', (query, from) => {
    void respond(query, false, (reply) => datagrams.send(reply, from.port, from.address));
  });
  const streams = createServer((socket) => {
    let pending = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (part) => {
      pending = Buffer.concat([pending, part]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        void respond(pending.subarray(2, end), true, (reply) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
        pending = pending.subarray(end);
      }
    });
  });
  datagrams.bind(port, address, () => streams.listen(port, address, () => console.log('ready')));
}

if (import.meta.main) serve(process.argv[2]!, Number(process.argv[3]));
