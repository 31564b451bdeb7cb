import { beforeEach, expect, test } from 'vitest';
import { LOOK_UP_PERIOD_MS, PeerAddress } from '../../../../src/net/udp/peer-address.ts';

const OLD = '192.0.2.1';
const NEW = '192.0.2.2';

let nowMs: number;
let asked: string[];
let answer: () => Promise<readonly string[]>;
let peer: PeerAddress;

beforeEach(() => {
  nowMs = 0;
  asked = [];
  answer = async () => [OLD];
  peer = peerNamed('collector.example');
});

function peerNamed(host: string): PeerAddress {
  const lookUp = (name: string) => {
    asked.push(name);
    return answer();
  };
  return new PeerAddress(host, { clock: { monotonicMs: () => nowMs }, lookUp });
}

/** Whether the peer has left, after pending work has ended. */
async function hasLeft(address: string): Promise<boolean> {
  peer.hasLeft(address);
  await new Promise(setImmediate);
  return peer.hasLeft(address);
}

test('a name that leads elsewhere is noticed once per period', async () => {
  expect(await peer.resolve()).toBe(OLD);
  answer = async () => [NEW];
  nowMs = LOOK_UP_PERIOD_MS - 1;
  expect(await hasLeft(OLD)).toBe(false);
  expect(asked).toHaveLength(1);
  nowMs = LOOK_UP_PERIOD_MS;
  expect(await hasLeft(OLD)).toBe(true);
  expect(await peer.resolve()).toBe(NEW);
  expect(await hasLeft(NEW)).toBe(false);
});

test('one of several addresses stays, in whichever order they are told', async () => {
  answer = async () => [OLD, NEW];
  expect(await peer.resolve()).toBe(OLD);
  answer = async () => [NEW, OLD];
  nowMs = LOOK_UP_PERIOD_MS;
  expect(await hasLeft(OLD)).toBe(false);
  expect(asked).toHaveLength(2);
});

test.each([
  ['fails', () => Promise.reject(new Error('EAI_AGAIN'))],
  ['knows no address', async () => []],
])('a resolver that %s leaves the peer where it was, until it is back', async (_why, away) => {
  await peer.resolve();
  answer = away;
  nowMs = LOOK_UP_PERIOD_MS;
  expect(await hasLeft(OLD)).toBe(false);
  expect(await peer.resolve()).toBe(OLD);
  answer = async () => [NEW];
  nowMs += LOOK_UP_PERIOD_MS;
  expect(await hasLeft(OLD)).toBe(true);
});

test('a silent resolver is asked once, and waited for by nobody', async () => {
  await peer.resolve();
  answer = () => new Promise(() => undefined);
  for (let i = 1; i < 5; i++) {
    nowMs = i * LOOK_UP_PERIOD_MS;
    expect(await hasLeft(OLD)).toBe(false);
  }
  expect(asked).toHaveLength(2);
});

test('without any address ever, it cannot be sent to', async () => {
  answer = () => Promise.reject(new Error('ENOTFOUND'));
  await expect(peer.resolve()).rejects.toThrow('ENOTFOUND');
});

test('an address is not looked up', async () => {
  peer = peerNamed('2001:db8::1');
  expect(await peer.resolve()).toBe('2001:db8::1');
  nowMs = LOOK_UP_PERIOD_MS;
  expect(await hasLeft('2001:db8::1')).toBe(false);
  expect(asked).toEqual([]);
});
