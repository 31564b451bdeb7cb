/** Headers between a frame's addresses and IP: parsed, or counted with the reason. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, readStats, TEST_HOOKS, takeFlows, totalOf } from './datapath.ts';
import { EtherType, ipv4, ipv6, Proto, udp } from './frames.ts';
import {
  bridged,
  eTag,
  fabricPath,
  frameOf,
  hsr,
  type Layer,
  metadata,
  mpls,
  pppoe,
  providerBackbone,
  serviceHeader,
  snap,
  tag,
} from './link-frames.ts';

const V4 = '00000000000000000000ffff0a000001,00000000000000000000ffff0a000002,40000,53,17,0,0';
const V6 = '20010db8000000000000000000000001,20010db8000000000000000000000002,40000,53,17,0,0';

const INSIDE: Layer = { type: EtherType.ipv4, payload: ipv4(Proto.udp, udp(20)) };
const INSIDE6: Layer = { type: EtherType.ipv6, payload: ipv6(Proto.udp, udp(20)) };
type Wrap = (inner: Layer) => Layer;

/** The outermost first, as in the frame. */
const wrap = (inner: Layer, ...layers: readonly Wrap[]): Buffer =>
  frameOf(layers.reduceRight((inside, layer) => layer(inside), inner));

const tags = (count: number): readonly Wrap[] =>
  Array.from({ length: count }, (_, index) => tag(index + 1));

describe.skipIf(requireRoot()).each(['flows_test', 'flows_copy_test'] as const)('%s', (object) => {
  let datapath: BpfObject;

  beforeEach(() => {
    datapath = loadDatapath({ object, programs: TEST_HOOKS });
  });
  afterEach(() => native.close(datapath));

  const run = (frame: Buffer, program = 'test_ingress_l2') =>
    native.testRun(datapath, { program, frame });

  test.each<[string, readonly Wrap[], number]>([
    ['four tags', tags(4), 1],
    ['eight tags', tags(8), 1],
    ['a priority tag, then an id', [tag(0), tag(9)], 9],
    ['802.1ad', [tag(100, EtherType.qinq), tag(7)], 100],
    ['an outer tag of 0x9100', [tag(100, EtherType.oldQinq), tag(7)], 100],
    ['an outer tag of 0x9200', [tag(100, 0x9200), tag(7)], 100],
    ['an outer tag of 0x9300', [tag(100, 0x9300), tag(7)], 100],
    ['MPLS', [mpls(16)], 0],
    ['a stack of labels', [mpls(16, 17, 18)], 0],
    ['a tag, then MPLS', [tag(5), mpls(16, 17)], 5],
    ['PPPoE', [pppoe()], 0],
    ['a tag, then PPPoE', [tag(6), pppoe()], 6],
    ['PPPoE, then MPLS', [pppoe(), mpls(16)], 0],
    ['LLC/SNAP', [snap], 0],
    ['a tag, then LLC/SNAP', [tag(7), snap], 7],
    ['a security group tag', [metadata()], 0],
    ['a tag, then a security group tag', [tag(8), metadata()], 8],
    ['two options of metadata', [metadata(2)], 0],
    ['a frame in a frame', [bridged], 0],
    ['FabricPath', [fabricPath, tag(4)], 4],
    ['a provider backbone', [providerBackbone], 0],
    ['a ring of HSR', [hsr], 0],
    ['a port extender', [eTag], 0],
    ['a service header', [serviceHeader], 0],
  ])('IP behind %s', async (_why, layers, vlanId) => {
    const frames = [wrap(INSIDE, ...layers), wrap(INSIDE6, ...layers)];
    const [size4, size6] = frames.map((frame) => frame.length);
    for (const hook of ['ingress', 'egress']) {
      for (const frame of frames) run(frame, `test_${hook}_l2`);

      const flows = await takeFlows(datapath);
      expect(flows.toSorted((one, other) => (one.key < other.key ? -1 : 1))).toMatchObject([
        { key: V4, packets: 1, bytes: size4, vlanId, ethProtocol: EtherType.ipv4 },
        { key: V6, packets: 1, bytes: size6, vlanId, ethProtocol: EtherType.ipv6 },
      ]);
    }
    expect(totalOf(Object.values(readStats(datapath))).packets).toBe(0);
  });

  const opaque = (type: number): Layer => ({ type, payload: Buffer.alloc(60, 0x11) });

  test.each<[string, Buffer]>([
    ['nine tags', wrap(INSIDE, ...tags(9))],
    ['MACsec', frameOf(opaque(EtherType.macsec))],
    ['MACsec behind a tag', wrap(opaque(EtherType.macsec), tag(3))],
    ['TRILL', frameOf(opaque(0x22f3))],
    ['a pseudowire: neither version behind the labels', wrap(opaque(0), mpls(16))],
    ['PPP that is compressed', wrap(INSIDE, pppoe('003d'))],
    ['something else behind a service header', wrap(opaque(0x1111), serviceHeader)],
  ])('%s may hide IP: counted as not looked into', async (_why, frame) => {
    run(frame);

    expect(await takeFlows(datapath)).toEqual([]);
    const stats = readStats(datapath);
    expect(stats.notLookedInto).toEqual({ packets: 1, bytes: frame.length });
    expect(totalOf(Object.values(stats)).packets).toBe(1);
  });

  const plain = (type: number, bytes: string): Layer => ({
    type,
    payload: Buffer.concat([Buffer.from(bytes, 'hex'), Buffer.alloc(40)]),
  });

  test.each<[string, Buffer]>([
    ['ARP', frameOf(plain(EtherType.arp, '0001'))],
    ['ARP behind two tags', wrap(plain(EtherType.arp, '0001'), tag(1), tag(2))],
    ['LLDP', frameOf(plain(0x88cc, '0207'))],
    ['spanning tree, in LLC', frameOf(plain(38, '424203'))],
    ['Cisco discovery, in SNAP of its maker', frameOf(plain(60, 'aaaa0300000c2000'))],
    ['LCP of a PPPoE session', wrap(plain(0, ''), pppoe('c021'))],
    ['discovery of PPPoE', frameOf(plain(0x8863, '1109'))],
    ['ARP in LLC/SNAP', wrap(plain(EtherType.arp, '0001'), snap)],
  ])('%s is not IP', async (_why, frame) => {
    run(frame);

    expect(await takeFlows(datapath)).toEqual([]);
    expect(readStats(datapath).notIp).toEqual({ packets: 1, bytes: frame.length });
    expect(totalOf(Object.values(readStats(datapath))).packets).toBe(1);
  });
});
