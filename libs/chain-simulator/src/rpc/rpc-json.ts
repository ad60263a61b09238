import { formatBtc } from '@finality/bitcoin';

/** What a method answers. A `bigint` is an amount in satoshi, written in BTC with eight decimals as Bitcoin Core does. */
export type RpcValue =
  string | number | boolean | null | bigint | readonly RpcValue[] | { readonly [name: string]: RpcValue | undefined };

export function encodeRpcValue(value: RpcValue): string {
  if (typeof value === 'bigint') return formatBtc(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(encodeRpcValue).join(',')}]`;
  const members = Object.entries(value).flatMap(([name, member]) =>
    member === undefined ? [] : [`${JSON.stringify(name)}:${encodeRpcValue(member)}`],
  );
  return `{${members.join(',')}}`;
}

/** `Array.isArray` doesn't narrow readonly arrays. */
const isList = (value: object): value is readonly RpcValue[] => Array.isArray(value);
