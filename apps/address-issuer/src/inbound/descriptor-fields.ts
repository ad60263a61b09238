import { type Descriptor, describeKey, type DescriptorFault, type Network, parseDescriptor } from '@finality/bitcoin';
import { addressV1 } from '@finality/contracts';
import type { Result } from '@finality/kernel';
import { scriptTypeOf } from '../messages.ts';
import type { Fields } from './validation.ts';

/**
 * The descriptor of a request: a pair, one text with `<0;1>`, or an account's extended public key. What is wrong with it goes to `fields`; the
 * description ends with the reason by its stable name.
 */
export function descriptorOf(pair: addressV1.DescriptorPair, network: Network, fields: Fields): Descriptor | undefined {
  const { external, internal, scriptType } = pair;
  const isUnspecified = scriptType === addressV1.ScriptType.SCRIPT_TYPE_UNSPECIFIED;
  const isKey = external !== '' && internal === '' && !external.includes('(');
  if (external === '') fields.add('descriptors.external', 'expected a descriptor, or an extended public key');
  else if (!isUnspecified && scriptTypeOf(scriptType) === undefined)
    fields.add('descriptors.script_type', 'expected a script type');
  else if (!isUnspecified && !isKey)
    fields.add('descriptors.script_type', 'expected none: a descriptor says its script type');
  else
    return parsed(pair, isKey ? describeKey(external, network, scriptTypeOf(scriptType)) : undefined, network, fields);
  return undefined;
}

function parsed(
  { external, internal }: addressV1.DescriptorPair,
  described: Result<Descriptor, DescriptorFault> | undefined,
  network: Network,
  fields: Fields,
): Descriptor | undefined {
  const result = described ?? parseDescriptor(internal === '' ? external : [external, internal], network);
  if (result.ok) return result.value;
  const { error } = result;
  fields.add(fieldToBlame(external, internal, network, error), `${error.message} (${error.reason})`);
  return undefined;
}

/** In a pair, whichever of the two can't be parsed by itself is to blame. */
function fieldToBlame(external: string, internal: string, network: Network, { reason }: DescriptorFault): string {
  if (reason === 'SCRIPT_TYPE_MISSING') return 'descriptors.script_type';
  if (internal === '') return 'descriptors.external';
  const alone = parseDescriptor(external, network);
  return !alone.ok && alone.error.reason === reason ? 'descriptors.external' : 'descriptors.internal';
}
