import { Type } from 'typebox';

/** The options about sockets that stages for routers and switches share. */
export const datagramOptions = {
  sockets: Type.Integer({
    minimum: 1,
    maximum: 64,
    default: 1,
    description:
      'Sockets on each port, over which the kernel spreads exporters. One thread reads them all, ' +
      'so that more sockets mean more room for bursts, not more speed.',
  }),
  receiveBufferBytes: Type.Integer({
    minimum: 4096,
    maximum: 1_073_741_824,
    default: 4_194_304,
    description:
      'Room for datagrams in the kernel, for each socket. The kernel limits it to ' +
      'net.core.rmem_max; the log says so, and `ingest_lost_datagrams_total` counts losses.',
  }),
};
