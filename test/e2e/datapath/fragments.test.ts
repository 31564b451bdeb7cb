/** Pieces of datagrams, in every order and of both families, find the data of the first one. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, shared, TEST_HOOKS, takeFlows } from './datapath.ts';
import {
  authentication,
  EtherType,
  ethernet,
  extension,
  icmp,
  ipv4,
  ipv6,
  ipv6Fragment,
  Proto,
  udp,
} from './frames.ts';

const V4 = '00000000000000000000ffff0a000001,00000000000000000000ffff0a000002';
const V6 = '20010db8000000000000000000000001,20010db8000000000000000000000002';
/** More than the time for which the datapath waits for pieces of a datagram. */
const LATE_NS = 31_000_000_000n;

/** The ends of pieces are multiples of eight bytes. */
const CUT = 64;
const whole = udp(200, 5000, 6000);

function pieces4(protocol: number, datagram: Buffer, id = 9): [Buffer, Buffer] {
  const first = ipv4(protocol, datagram.subarray(0, CUT), { id, moreFragments: true });
  const last = ipv4(protocol, datagram.subarray(CUT), { id, fragmentOffset: CUT / 8 });
  return [ethernet(EtherType.ipv4, first), ethernet(EtherType.ipv4, last)];
}

/** All pieces name the first header of the fragmented part (RFC 8200, section 4.5). */
function pieces6(next: number, datagram: Buffer, id = 9): [Buffer, Buffer] {
  const first = { id, offset: 0, more: true };
  const last = { id, offset: CUT / 8, more: false };
  const piece = (fragment: typeof first, payload: Buffer): Buffer =>
    ethernet(EtherType.ipv6, ipv6(Proto.fragment, ipv6Fragment(next, payload, fragment)));
  return [piece(first, datagram.subarray(0, CUT)), piece(last, datagram.subarray(CUT))];
}

describe.skipIf(requireRoot()).each(['flows_test', 'flows_copy_test'] as const)('%s', (object) => {
  let datapath: BpfObject;

  beforeEach(() => {
    datapath = loadDatapath({ object, programs: TEST_HOOKS });
  });
  afterEach(() => native.close(datapath));

  function run(...frames: readonly Buffer[]): void {
    for (const frame of frames) native.testRun(datapath, { program: 'test_ingress_l2', frame });
  }

  async function packetsByKey(): Promise<Record<string, number>> {
    const flows = await takeFlows(datapath);
    return Object.fromEntries(flows.map(({ key, packets }) => [key, packets]));
  }

  const behindOptions = extension(Proto.udp, whole);

  test.each<[string, [Buffer, Buffer], string]>([
    ['IPv4', pieces4(Proto.udp, whole), `${V4},5000,6000,17,0,0`],
    [
      'IPv4 behind AH',
      pieces4(Proto.ah, authentication(Proto.udp, whole)),
      `${V4},5000,6000,17,0,0`,
    ],
    ['ICMP', pieces4(Proto.icmp, Buffer.concat([icmp(8, 0), whole])), `${V4},0,0,1,8,0`],
    ['IPv6', pieces6(Proto.udp, whole), `${V6},5000,6000,17,0,0`],
    [
      'IPv6 with options inside',
      pieces6(Proto.destination, behindOptions),
      `${V6},5000,6000,17,0,0`,
    ],
    [
      'IPv6 with options and AH inside',
      pieces6(Proto.destination, extension(Proto.ah, authentication(Proto.udp, whole))),
      `${V6},5000,6000,17,0,0`,
    ],
    [
      'IPv6 without ports, options inside',
      pieces6(Proto.destination, extension(Proto.esp, whole)),
      `${V6},0,0,50,0,0`,
    ],
    ['ICMPv6', pieces6(Proto.icmpv6, Buffer.concat([icmp(128, 0), whole])), `${V6},0,0,58,128,0`],
    ['UDP-Lite', pieces4(Proto.udpLite, whole), `${V4},5000,6000,136,0,0`],
  ])('%s: both pieces are of one flow', async (_why, frames, key) => {
    run(...frames);

    expect(await packetsByKey()).toEqual({ [key]: 2 });
  });

  test('one that overtakes the first has no ports, and the next one has', async () => {
    const [first, last] = pieces6(Proto.destination, behindOptions);
    run(last, first, last);

    expect(await packetsByKey()).toEqual({
      [`${V6},0,0,60,0,0`]: 1,
      [`${V6},5000,6000,17,0,0`]: 2,
    });
  });

  test('what is alike but for protocol, family or identification lends nothing', async () => {
    const mapped = {
      source: Buffer.from('00000000000000000000ffff0a000001', 'hex'),
      target: Buffer.from('00000000000000000000ffff0a000002', 'hex'),
    };
    const fragment = { id: 9 << 24, offset: CUT / 8, more: false };
    const inIpv6 = ipv6Fragment(Proto.udp, whole.subarray(CUT), fragment);
    run(pieces4(Proto.udp, whole)[0]);
    run(pieces4(Proto.tcp, whole)[1], pieces4(Proto.udp, whole, 10)[1]);
    run(ethernet(EtherType.ipv6, ipv6(Proto.fragment, inIpv6, mapped)));

    expect(await packetsByKey()).toEqual({
      [`${V4},5000,6000,17,0,0`]: 1,
      [`${V4},0,0,6,0,0`]: 1,
      [`${V4},0,0,17,0,0`]: 1,
      [`${V4},0,0,17,0,0,mapped`]: 1,
    });
  });

  test('the next datagram of the same identification has its own ports', async () => {
    run(...pieces4(Proto.udp, whole), ...pieces4(Proto.udp, udp(200, 5001, 6001)));

    expect(await packetsByKey()).toEqual({
      [`${V4},5000,6000,17,0,0`]: 2,
      [`${V4},5001,6001,17,0,0`]: 2,
    });
  });

  test('after half a minute the identification is another datagram’s', async () => {
    const [first, last] = pieces4(Proto.udp, whole);
    run(first);
    const { keySize, valueSize } = native.describeMap(datapath, 'fragments');
    const [key, value] = [shared(keySize), shared(valueSize)];
    expect(await native.readEntries(datapath, 'fragments', key, value)).toBe(1);
    // The time is the first field.
    value.writeBigUInt64LE(value.readBigUInt64LE() - LATE_NS);
    native.updateMap(datapath, 'fragments', Buffer.from(key), Buffer.from(value));
    run(last);

    expect(await packetsByKey()).toEqual({
      [`${V4},5000,6000,17,0,0`]: 1,
      [`${V4},0,0,17,0,0`]: 1,
    });
  });

  test('a fragment of a fragment is refused, as receivers do', async () => {
    const inner = ipv6Fragment(Proto.udp, whole, { id: 1, offset: 0, more: true });
    run(pieces6(Proto.fragment, inner)[0]);

    expect(await packetsByKey()).toEqual({});
  });
});
