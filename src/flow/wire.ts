/**
 * How the value of a field is sent: the types of `proto` and `ipfix` in rows of the field table.
 * `codec/pbflow` and `codec/netflow` implement the words of these types; the rows use them.
 */

/**
 * When a number that a protobuf record lacks is zero and when it is absent. Protobuf does not send
 * zeros, so a decoder follows the rules of `flowlogs-pipeline`.
 *
 * `nonZero` never zero (the default) · `always` zero when it is not sent · `ip ports tcp icmp` zero
 * where the protocol has such a number · `dns drop tunnel ipsec` zero where other fields of that
 * feature are set · `message` zero where the message around it was sent · `translated` zero where
 * both translated addresses are known, otherwise absent even if it was sent ·
 * `translatedNonZero` the same, but never zero.
 */
export type ProtoPresence =
  | 'nonZero'
  | 'always'
  | 'ip'
  | 'ports'
  | 'tcp'
  | 'icmp'
  | 'dns'
  | 'drop'
  | 'tunnel'
  | 'ipsec'
  | 'message'
  | 'translated'
  | 'translatedNonZero';

/**
 * A value that decides the meaning of other values of a protobuf record; decoders always read it.
 */
export type ProtoContext =
  | 'etherType'
  | 'protocol'
  | 'dnsId'
  | 'dnsFlags'
  | 'dnsCode'
  | 'dropCause'
  | 'ipsecStatus'
  | 'ipsecReturned'
  | 'translatedSource'
  | 'translatedDestination'
  | 'tunnelType';

/** The codes that a protobuf record has in place of the texts of a field. */
export type ProtoCodes =
  | 'dropState'
  | 'dropCause'
  | 'ipsecStatus'
  | 'tlsVersion'
  | 'tlsCipherSuite'
  | 'tlsGroup'
  | 'quicVersion';

/**
 * Layout of a value in a protobuf record where the field's kind, unit and codes do not decide it.
 *
 * `int` 32 bits with a sign · `duration` a message of seconds and nanoseconds · `mask` bits that
 * stand for texts · `dnsFlags` a DNS header word, `dnsCode` the name of a response code that this
 * word cannot hold · `dupList`, `events` lists of messages.
 */
export type ProtoForm = 'int' | 'duration' | 'mask' | 'dnsFlags' | 'dnsCode' | 'dupList' | 'events';

/** A field in `pbflow.Record`. */
export interface ProtoField {
  /** Path of names from the record inwards; a dot leads into a message. */
  readonly path: string;
  /**
   * Field numbers from the record inwards. Numbers from 100 on are not in the schema of
   * `netobserv-ebpf-agent`; readers of that schema skip them.
   */
  readonly numbers: readonly number[];
  readonly form?: ProtoForm;
  readonly codes?: ProtoCodes;
  readonly presence?: ProtoPresence;
  readonly context?: ProtoContext;
  /** `flowlogs-pipeline` narrows the value: a larger one is sent as `limit`. */
  readonly limit?: number;
  /** Number of a field with the exact value, sent where the field itself cannot hold it. */
  readonly exact?: number;
  /** Number of the boolean that stands for the prefix `TLS_MISMATCH` of the text. */
  readonly mismatch?: number;
  /**
   * The outermost message is sent even when it is empty: `flowlogs-pipeline` reads it without a
   * check.
   */
  readonly isRequired?: true;
  /** An address in the header of the packet, and hence of the family that the EtherType gives. */
  readonly isOfPacket?: true;
}

/**
 * How the value of an IPFIX element is made from the column.
 *
 * `value` as it is · `header-flags` bits of the TCP header for SYN_ACK and the like · `seconds`
 * whole seconds of milliseconds · `probability` 1/N of 1 in N · `interval` N of 1 in N, and 1 where
 * every packet is sampled · `class-of-service` the header's octet with the code point; its two low
 * bits are unknown · `icmp` type and code in one number · `segment` the network's identifier with
 * the kind of tunnel in the most significant byte · `direction` the direction at the first
 * interface or, if that is both, that of the flow · `first` the first member of a list ·
 * `comma-list` all members as one text.
 */
export type IpfixForm =
  | 'value'
  | 'header-flags'
  | 'seconds'
  | 'probability'
  | 'interval'
  | 'class-of-service'
  | 'icmp'
  | 'segment'
  | 'direction'
  | 'first'
  | 'comma-list';

/** An IPFIX information element. */
export interface IpfixElement {
  readonly name: string;
  readonly id: number;
}

/** An element of IANA's registry in which a field is sent. */
export interface IpfixField extends IpfixElement {
  /** The element for IPv6, if it differs. */
  readonly v6?: IpfixElement;
  /** In templates of IPv6 flows only. */
  readonly isV6Only?: true;
  /** Its family follows the exporter's address, not the flow. */
  readonly isOfExporter?: true;
  /** Default `value`. */
  readonly form?: IpfixForm;
  /** Another field that the form reads. */
  readonly reads?: string;
  /**
   * Place in a template. The elements of `netobserv-ebpf-agent` have numbers and come first, in its
   * order. Elements without a place follow in the order of the table, then those marked `last`.
   */
  readonly place?: number | 'last';
}
