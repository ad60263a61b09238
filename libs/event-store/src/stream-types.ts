import { decodeJson } from '@finality/kernel';
import type { EventRow } from './envelope.ts';
import type { AnyStreamType } from './port.ts';

/** The event as it is understood today, whatever version it was stored in. */
export function upcast(
  type: AnyStreamType,
  row: Pick<EventRow, 'type' | 'schema_version' | 'data'>,
): { readonly type: string } {
  const data = decodeJson(row.data);
  if (type.upcast) return type.upcast({ type: row.type, schemaVersion: row.schema_version, data });
  return data as { readonly type: string };
}

/** Of the aggregate that a stream's name begins with. @throws Error when there is none */
export function typeOf(byName: ReadonlyMap<string, AnyStreamType>, stream: string): AnyStreamType {
  const name = stream.slice(0, stream.indexOf('/'));
  const type = byName.get(name);
  if (!type)
    throw new Error(`stream ${stream} is of a type that isn't among those given: ${[...byName.keys()].join(', ')}`);
  return type;
}
