import { expect, test } from 'vitest';
import {
  flowMetrics,
  rttMetrics,
  tcpMetrics,
  tunnelMetrics,
  tunnelType,
} from '../../../../src/agent/drain/layout.gen.ts';
import type { FeatureReaderDeps, FeatureSpec } from '../../../../src/agent/features/feature.ts';
import type { FeatureReader } from '../../../../src/agent/features/reader.ts';
import { rtt } from '../../../../src/agent/features/rtt.ts';
import { tcpHealth } from '../../../../src/agent/features/tcp-health.ts';
import { tunnels } from '../../../../src/agent/features/tunnels.ts';
import { parseAddress } from '../../../../src/base/ip.ts';
import { track } from '../../../support/kernel/entries.ts';

/** None of these features uses its dependencies. */
function trackerOf(spec: FeatureSpec): readonly FeatureReader[] {
  return [spec.reader!({} as FeatureReaderDeps, flowMetrics.sizeBytes)];
}

test('TCP health: what was not counted has no value', () => {
  const write = (view: DataView): void => {
    view.setUint32(tcpMetrics.handshakeNs, 5, true);
    view.setUint32(tcpMetrics.handshakeNs + 4, 2, true);
    view.setUint32(tcpMetrics.retransmissions, 3, true);
    view.setUint32(tcpMetrics.zeroWindows, 0xffffffff, true);
  };
  expect(track(trackerOf(tcpHealth), tcpMetrics.sizeBytes, [{}, { write }])).toMatchObject([
    { TcpRetransmissions: undefined, TcpZeroWindows: undefined, TcpHandshakeNs: undefined },
    {
      TcpRetransmissions: 3,
      TcpResets: undefined,
      TcpFailedConnects: undefined,
      TcpZeroWindows: 0xffffffff,
      TcpHandshakeNs: 2 * 2 ** 32 + 5,
    },
  ]);
});

test('round-trip times are nanoseconds', () => {
  const write = (view: DataView): void => {
    view.setUint32(rttMetrics.smoothedUs, 5_000_000, true);
    view.setUint32(rttMetrics.minUs, 40, true);
  };
  expect(track(trackerOf(rtt), rttMetrics.sizeBytes, [{ write }, {}])).toMatchObject([
    { TimeFlowRttNs: 5e9, TimeFlowRttMinNs: 40_000 },
    { TimeFlowRttNs: undefined, TimeFlowRttMinNs: undefined },
  ]);
});

test('tunnels: what is around the flow', () => {
  const write = (view: DataView): void => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset);
    bytes.set(parseAddress('192.0.2.1')!, tunnelMetrics.srcIp);
    bytes.set(parseAddress('2001:db8::1')!, tunnelMetrics.dstIp);
    view.setUint32(tunnelMetrics.id, 0xffffff, true);
    view.setUint8(tunnelMetrics.type, tunnelType.geneve);
  };
  expect(track(trackerOf(tunnels), tunnelMetrics.sizeBytes, [{ write }, {}])).toMatchObject([
    {
      TunnelType: 'geneve',
      TunnelId: 0xffffff,
      TunnelSrcAddr: '192.0.2.1',
      TunnelDstAddr: '2001:db8::1',
    },
    { TunnelType: '', TunnelId: undefined, TunnelSrcAddr: '', TunnelDstAddr: '' },
  ]);
});
