import { formatAddress, parseCidr } from '../../../base/ip.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import { type InternTables, MISSING } from '../../../flow/intern.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';

/** In the memo: the mask is longer than the address. Text ids are stored plus one. */
const NO_SUBNET = 1;

/** The network of an address under a mask, as CIDR text. */
export function addSubnet(
  rule: { readonly input: string; readonly output: string; readonly subnet_mask: string },
  context: StageContext,
): Transform {
  const { input, output, subnet_mask: mask } = rule;
  requireKind(context, 'add_subnet.input', input, ['addr']);
  if (!/^\/\d{1,3}$/.test(mask) || Number(mask.slice(1)) > 128) {
    const problem = `"${mask}" is not a mask such as /24`;
    throw configError(PIPELINE_ERRORS.cidr, `${context.path}.add_subnet.subnet_mask`, problem);
  }
  const memo = new IdMemo();
  return {
    kind: 'transform',
    name: `add_subnet ${input}`,
    reads: [input, output],
    writes: [{ name: output, kind: 'str' }],
    apply(batch: FlowBatch) {
      if (!batch.has(input)) return;
      const { tables } = batch;
      const facts = memo.for(tables, tables.addresses.size);
      const addresses = batch.ids(input);
      const subnets = batch.ids(output);
      for (let row = 0; row < batch.length; row++) {
        const id = addresses[row]!;
        if (id === MISSING) continue;
        let fact = facts[id]!;
        if (fact === UNKNOWN) {
          fact = subnetFact(tables, id, mask);
          facts[id] = fact;
        }
        if (fact !== NO_SUBNET) subnets[row] = fact - 1;
      }
    },
  };
}

function subnetFact(tables: InternTables, id: number, mask: string): number {
  const cidr = parseCidr(tables.addresses.text(id) + mask);
  if (cidr === undefined) return NO_SUBNET;
  return tables.strings.intern(formatAddress(cidr.bytes) + mask) + 1;
}
