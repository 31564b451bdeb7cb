/** Headers between a frame's addresses and IP; each takes its content. */
import { EtherType, ethernet, vlanTag } from './frames.ts';

export interface Layer {
  readonly type: number;
  readonly payload: Buffer;
}

export const frameOf = ({ type, payload }: Layer): Buffer => ethernet(type, payload);

export const tag =
  (id: number, type = EtherType.vlan) =>
  (inner: Layer): Layer => ({ type, payload: vlanTag(id, inner.type, inner.payload) });

const bytesOf = (hex: string): Buffer => Buffer.from(hex, 'hex');
const typeOf = (type: number): Buffer => bytesOf(type.toString(16).padStart(4, '0'));

/** A header that ends with the type of its content. */
const before =
  (type: number, header: string) =>
  (inner: Layer): Layer => ({
    type,
    payload: Buffer.concat([bytesOf(header), typeOf(inner.type), inner.payload]),
  });

/** A stack of labels, bottom last; the content does not say what it is. */
export const mpls =
  (...labels: readonly number[]) =>
  ({ payload }: Layer): Layer => {
    const words = labels.map((label, index) => {
      const word = Buffer.alloc(4);
      const bottom = index === labels.length - 1 ? 0x100 : 0;
      word.writeUInt32BE(((label << 12) | bottom | 64) >>> 0);
      return word;
    });
    return { type: EtherType.mpls, payload: Buffer.concat([...words, payload]) };
  };

const PPP: Readonly<Record<number, string>> = {
  [EtherType.ipv4]: '0021',
  [EtherType.ipv6]: '0057',
  [EtherType.mpls]: '0281',
};

/** `protocol`: PPP's, if it differs from the content's. */
export const pppoe =
  (protocol?: string) =>
  (inner: Layer): Layer => {
    const ppp = bytesOf(protocol ?? PPP[inner.type] ?? 'c021');
    const length = typeOf(ppp.length + inner.payload.length);
    const payload = Buffer.concat([bytesOf('11000001'), length, ppp, inner.payload]);
    return { type: EtherType.pppoe, payload };
  };

export const snap = (inner: Layer): Layer => {
  const { payload } = before(0, 'aaaa03000000')(inner);
  return { type: Math.min(payload.length, 1500), payload };
};

/** A security group tag, with `options` of four bytes. */
export const metadata = (options = 1): ((inner: Layer) => Layer) =>
  before(EtherType.metadata, `010${options}${'00010064'.repeat(options)}`);

const MACS = '020000000003020000000004';
export const bridged = before(EtherType.bridged, MACS);
export const fabricPath = before(EtherType.fabricPath, `0420${MACS}`);
export const providerBackbone = before(EtherType.providerBackbone, `00000064${MACS}`);
export const hsr = before(EtherType.hsr, '00340001');
export const eTag = before(EtherType.eTag, '000000000000');

const NSH: Readonly<Record<number, string>> = {
  [EtherType.ipv4]: '01',
  [EtherType.ipv6]: '02',
  [EtherType.mpls]: '05',
};

/** RFC 8300 with metadata of the first type: six words. */
export const serviceHeader = (inner: Layer): Layer => {
  const next = NSH[inner.type] ?? '04';
  const header = bytesOf(`0fc601${next}${'00'.repeat(20)}`);
  return { type: EtherType.serviceHeader, payload: Buffer.concat([header, inner.payload]) };
};

/** Each of them, in its forms. */
export const LAYERS: readonly ((inner: Layer) => Layer)[] = [
  ...[tag(7), tag(0), tag(8, EtherType.qinq), tag(9, EtherType.oldQinq), mpls(16), mpls(16, 17)],
  ...[pppoe(), pppoe('21'), pppoe('003d'), snap, metadata(), metadata(2), serviceHeader],
  ...[bridged, fabricPath, providerBackbone, hsr, eTag],
];
